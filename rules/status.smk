# results/ -> a table on the terminal: how far each model's experiment is. Needs no file and locks none, so it works during a run.


rule status:
    log:
        "logs/status.log",
    localrule: True
    conda:
        "../envs/contextrot.yaml"
    message:
        "How far the run is"
    script:
        "../workflow/scripts/print_status.py"


onerror:
    from contextrot.report.status import status_table

    print(f"\n{status_table(plan.runs())}\nFinished answers are kept: the same command goes on from here.\n", file=sys.stderr)

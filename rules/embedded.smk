# data/essays, data/science, data/tasks/training -> results/training/embedded: the embedded model, trained again from scratch
# (2 1/2 to 3 hours on two cores). Asked for by name only: `snakemake train_embedded_model`. The model that runs use is
# the committed one in data/models/embedded; copy the new folder over it to replace it.


rule train_embedded_model:
    input:
        texts=sorted(map(str, project.data.glob("tasks/training/*"))),
        corpora=sorted(map(str, [*project.data.glob("essays/*.txt"), *project.data.glob("science/*.txt")])),
    output:
        model=multiext(
            "results/training/embedded/",
            "model.safetensors",
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
        ),
    log:
        "logs/training/embedded.log",
    benchmark:
        "benchmarks/runs/training/embedded.tsv"
    conda:
        "../envs/contextrot.yaml"
    threads: 2
    resources:
        mem_mb=growing(6000),
        runtime=240,
    message:
        "Training the embedded model from scratch"
    shell:
        "python -u -m contextrot.embedded.train --output results/training/embedded > {log:q} 2>&1"

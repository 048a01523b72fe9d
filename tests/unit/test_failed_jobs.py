"""A failed job's reason is found in its log and said in one line."""

from __future__ import annotations

from contextrot.report.failed_jobs import failed_jobs, reason_of, what_failed

SNAKEMAKE = """
RuleException:
CalledProcessError in file "/w/rules/inference.smk", line 41:
Error in rule collect_responses:
    message: None
    jobid: 4
    input: a.parquet, b.parquet
    output: c.parquet
    log: {log} (check log file(s) for error details)
Shutting down, this might take some time.
"""


def test_the_last_error_of_the_log_is_the_reason(tmp_path):
    log = tmp_path / "job.log"
    log.write_text(
        "2026-01-01 00:00:00 ERROR earlier\nINFO: server\n2026-01-01 00:00:01 ERROR no key:   set K\n2026-01-01 00:00:02 INFO end\n"
    )
    assert reason_of(log) == "no key: set K"


def test_of_a_traceback_it_is_the_last_line(tmp_path):
    log = tmp_path / "job.log"
    log.write_text(
        "2026-01-01 00:00:01 ERROR unexpected error\nTraceback (most recent call last):\n  File 'x'\nValueError: odd\n\n"
    )
    assert reason_of(log) == "ValueError: odd"


def test_a_log_without_an_error_or_no_log_at_all_has_no_reason(tmp_path):
    (tmp_path / "job.log").write_text("2026-01-01 00:00:00 INFO fine\n")
    assert reason_of(tmp_path / "job.log") is None
    assert reason_of(tmp_path / "none.log") is None


def test_a_job_that_was_tried_again_stands_once(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("2026-01-01 00:00:01 ERROR down\n")
    whole = tmp_path / "snakemake.log"
    whole.write_text(SNAKEMAKE.format(log=log) * 3)
    assert what_failed([whole]) == f"FAILED collect_responses ({log}): down"


def test_many_failures_are_not_all_listed(tmp_path):
    whole = tmp_path / "snakemake.log"
    whole.write_text("".join(SNAKEMAKE.format(log=f"{n}.log") for n in range(20)))
    assert what_failed([whole]).endswith("FAILED and 12 more")
    assert len(failed_jobs(whole.read_text())) == 20


def test_a_reason_holds_no_secret(tmp_path):
    from contextrot import secrets

    secrets.learn("a-secret-of-twenty-letters")
    log = tmp_path / "job.log"
    log.write_text("2026-01-01 00:00:01 ERROR refused a-secret-of-twenty-letters\n")
    assert "a-secret-of" not in reason_of(log)

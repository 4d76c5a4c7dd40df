"""Builds: one for each token, in their own time, by real processes."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from conftest import Aws

#: How long a test waits for a process on this machine, in seconds.
PATIENCE = 20


def project(aws: Aws, *commands: str, name: str = "infrastructure"):
    """A project without a source whose build runs these commands; without any it takes its time and succeeds."""
    builds = aws.client("codebuild")
    spec = "version: 0.2\nphases:\n  build:\n    commands:\n"
    spec += "".join(f"      - {json.dumps(command)}\n" for command in commands)
    builds.create_project(
        name=name,
        source={
            "type": "NO_SOURCE",
            "location": "none",
            **({"buildspec": spec} if commands else {}),
        },
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "image",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": "KEPT", "value": "yes"}, {"name": "GIVEN", "value": "no"}],
        },
        serviceRole="arn:aws:iam::123456789012:role/build",
    )
    return builds


def start(builds, token: str, name: str = "infrastructure", **variables: str) -> str:
    given = [{"name": key, "value": value, "type": "PLAINTEXT"} for key, value in variables.items()]
    asked = {"projectName": name, "idempotencyToken": token, "environmentVariablesOverride": given}
    return builds.start_build(**asked)["build"]["id"]


def seen(builds, build: str) -> dict:
    [found] = builds.batch_get_builds(ids=[build])["builds"]
    return found


def ended(builds, build: str) -> dict:
    """The build once its process has ended."""
    until = time.monotonic() + PATIENCE
    while (found := seen(builds, build))["buildStatus"] == "IN_PROGRESS":
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def test_a_build_takes_its_time(aws: Aws):
    builds = project(aws)
    aws.set(build_secs=600)
    build = start(builds, "a")
    assert (seen(builds, build)["buildStatus"], seen(builds, build)["currentPhase"]) == ("IN_PROGRESS", "BUILD")
    aws.pass_secs(599)
    assert seen(builds, build)["buildStatus"] == "IN_PROGRESS"
    aws.pass_secs(1)
    found = seen(builds, build)
    assert (found["buildStatus"], found["buildComplete"]) == ("SUCCEEDED", True)
    assert (found["endTime"] - found["startTime"]).total_seconds() == 600
    assert aws.effects() == ["build-started", "build-succeeded"]


def test_a_token_gives_the_same_build_for_five_minutes(aws: Aws):
    builds = project(aws)
    aws.set(build_secs=3600)
    first = start(builds, "a", MUSTER_TOKEN="a")
    aws.pass_secs(299)
    assert start(builds, "a", MUSTER_TOKEN="a") == first
    with pytest.raises(ClientError, match="InvalidInputException"):
        start(builds, "a", MUSTER_TOKEN="b")
    assert start(builds, "b", MUSTER_TOKEN="a") != first
    aws.pass_secs(1)
    assert start(builds, "a", MUSTER_TOKEN="a") != first
    assert aws.effects() == ["build-started"] * 3


def test_builds_are_listed_newest_first_and_page_by_page(aws: Aws):
    builds = project(aws)
    aws.set(page_max=2)
    ids = [start(builds, str(number)) for number in range(5)]
    listed, more = [], {}
    while True:
        page = builds.list_builds_for_project(projectName="infrastructure", **more)
        assert len(page["ids"]) <= 2
        listed += page["ids"]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert listed == ids[::-1]
    ascending = builds.list_builds_for_project(projectName="infrastructure", sortOrder="ASCENDING")
    assert ascending["ids"] == ids[:2]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        builds.list_builds_for_project(projectName="deployment")


def test_a_process_runs_with_the_variables_and_finds_the_emulator(aws: Aws):
    call = "import boto3, os; boto3.client('sqs').create_queue(QueueName=os.environ['MUSTER_TOKEN'] + os.environ['KEPT'] + os.environ['GIVEN'])"
    builds = project(aws, f'python -c "{call}"')
    build = start(builds, "a", MUSTER_TOKEN="token-", GIVEN="-over")
    found = ended(builds, build)
    assert found["buildStatus"] == "SUCCEEDED", found["phases"]
    [queue] = aws.client("sqs").list_queues()["QueueUrls"]
    assert queue.endswith("/token-yes-over")
    told = {one["name"]: one["value"] for one in found["environment"]["environmentVariables"]}
    assert told == {"MUSTER_TOKEN": "token-", "KEPT": "yes", "GIVEN": "-over"}


def test_an_exit_code_decides(aws: Aws):
    builds = project(aws, "echo it is broken", "exit 3", "echo never said")
    found = ended(builds, start(builds, "a"))
    assert found["buildStatus"] == "FAILED"
    [context] = found["phases"][-1]["contexts"]
    assert context["message"] == "exit status 3: it is broken"
    assert aws.effects() == ["build-started", "build-failed"]


def test_what_is_stopped_ends(aws: Aws):
    builds = project(aws, "sleep 60")
    build = start(builds, "a")
    assert builds.stop_build(id=build)["build"]["buildStatus"] == "STOPPED"
    aws.pass_secs(60)
    assert seen(builds, build)["buildStatus"] == "STOPPED"

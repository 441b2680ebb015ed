"""A new object in the storage starts a run: the events of each cloud, and the workflow that they submit."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from deploy_manifests import STEPS, build_with, read_strictly
from deploy_results import SETOSA, ResultFiles, make_node, run_nightly
from deploy_run import Node, environment_of
from helpers.s3_fixtures import Bucket
from kafka_broker import KafkaBroker

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter


def submitted_workflow(node: Node, event: Any, dependency: str = "object") -> Any:
    """Return the workflow that Argo Events' own code makes of an event with the overlay's Sensor, or None."""
    file = node.folder / "event.json"
    file.write_text(json.dumps(event))
    return json.loads(read_strictly("arrive", dependency, str(file), documents=node.documents))


def test_a_new_object_is_scored(local: tuple[Node, ResultFiles], bucket: Bucket) -> None:
    """A new object with unusual characters in its name is scored by the workflow that the Sensor submits."""
    node, files = local
    source = node.document("EventSource", "arrivals")["spec"]["minio"]["object"]
    listener = bucket.server.client()
    told: list[Any] = []

    def listen() -> None:
        with (
            contextlib.suppress(Exception),
            listener.listen_bucket_notification(
                bucket.name, source["filter"]["prefix"], source["filter"]["suffix"], source["events"]
            ) as events,
        ):
            told.append(next(iter(events)))

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    key = "incoming/a b+c%20ä/d=1.json"
    for _ in range(50):  # until the server listens, nobody hears
        bucket.put(key, json.dumps(SETOSA).encode() + b"\n")
        listening.join(timeout=0.2)
        if told:
            break
    workflow = submitted_workflow(node, {"notification": told[0]["Records"]})
    assert workflow["metadata"]["generateName"] == "arrival-"
    done = node.workflow(workflow["spec"])
    assert (done.names, done.last.code) == (STEPS, 0), done.last.err
    manifest, predictions = files.published("arrivals/a b+c%20ä/d=1.json")
    assert predictions == [{"species": "setosa"}]
    assert manifest["input"]["name"] == f"s3://{bucket.name}/{key}"
    assert not [name for name in files.names() if name.startswith("published/nightly")]


EVENTS: dict[str, Any] = {
    "aws": {
        "body": {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "incoming/a+b%25.json"}}}]}
    },
    "gcp": {"attributes": {"eventType": "OBJECT_FINALIZE"}, "body": {"name": "incoming/a b%.json"}},
    "azure": {
        "body": {
            "subject": "/blobServices/default/containers/data/blobs/incoming/a b%.json",
            "data": {"api": "FlushWithClose"},
        }
    },
}


@pytest.mark.parametrize("overlay", EVENTS)
def test_each_cloud_tells_of_an_object_its_own_way(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """The Sensor takes the object's name from the message of each cloud."""
    workflow = submitted_workflow(make_node(overlay, bucket, tmp_path), EVENTS[overlay])
    (parameter,) = workflow["spec"]["arguments"]["parameters"]
    assert parameter == {
        "name": "object",
        "value": "incoming/a+b%25.json" if overlay == "aws" else "incoming%2Fa+b%25.json",
    }


@pytest.mark.parametrize(
    ("overlay", "event"),
    [
        ("aws", {"body": {"Service": "Amazon S3", "Event": "s3:TestEvent"}}),
        ("gcp", {"attributes": {"eventType": "OBJECT_DELETE"}, "body": {"name": "incoming/a.json"}}),
        ("gcp", {"attributes": {"eventType": "OBJECT_FINALIZE"}, "body": {"name": "published/a.json"}}),
        ("azure", {"body": {**EVENTS["azure"]["body"], "data": {"api": "CreateFile"}}}),
        (
            "azure",
            {"body": {"subject": "/blobServices/default/containers/data/blobs/runs/a", "data": {"api": "PutBlob"}}},
        ),
    ],
    ids=["tied", "deleted", "published", "not whole", "handed on"],
)
def test_what_is_no_arrival_starts_nothing(overlay: str, event: Any, bucket: Bucket, tmp_path: Path) -> None:
    """Test events, deletions, incomplete files and the files of the pipeline itself start no workflow."""
    assert submitted_workflow(make_node(overlay, bucket, tmp_path), event) is None


def test_the_calendar_starts_the_night(local: tuple[Node, ResultFiles]) -> None:
    """The calendar's event submits the workflow that the CronWorkflow would submit."""
    node, _ = local
    night = node.document("EventSource", "calendar")["spec"]["calendar"]["night"]
    night.pop("persistence")  # which a cluster has
    night.pop("schedule")
    night["interval"] = "1s"
    event = json.loads(read_strictly("listen", "calendar", documents=node.documents))
    workflow = submitted_workflow(node, event, "night")
    assert workflow["metadata"]["generateName"] == "night-"
    assert workflow["spec"] == node.document("CronWorkflow", "pipeline")["spec"]["workflowSpec"]


SEND = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
async def send(address, topic, message):
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait(topic, message.encode())
asyncio.run(send(*sys.argv[1:]))
"""


def test_a_kafka_message_names_an_object(bucket: Bucket, tmp_path: Path) -> None:
    """A message that Argo Events' own listener reads from a real broker submits a workflow for the object in it."""
    documents = build_with("local", ["kafka-events"], tmp_path)
    with KafkaBroker() as broker:
        node = Node(documents, tmp_path / "local", {"BROKER:9092": broker.address})
        topic = node.document("EventSource", "messages")["spec"]["kafka"]["message"]["topic"]
        message = json.dumps({"object": "incoming/a b%ä.json"})
        python = environment_of("kafka") / "bin" / "python"
        subprocess.run([python, "-c", SEND, broker.address, topic, message], check=True)
        event = json.loads(read_strictly("listen", "messages", documents=node.documents))
    workflow = submitted_workflow(node, event, "message")
    assert workflow["spec"]["arguments"]["parameters"] == [
        {"name": "object", "value": quote_plus("incoming/a b%ä.json")}
    ]
    assert workflow["spec"]["workflowTemplateRef"] == {"name": "pipeline"}


@pytest.mark.parametrize(
    "body", [{}, {"object": "published/a.json"}, {"object": "incoming/"}, {"key": "incoming/a.json"}, "incoming/a.json"]
)
def test_a_message_that_names_no_arrival_starts_nothing(body: Any, tmp_path: Path) -> None:
    """A Kafka message without an object below incoming/ starts no workflow."""
    node = Node(build_with("local", ["kafka-events"], tmp_path), tmp_path / "local", {})
    assert submitted_workflow(node, {"topic": "model-etl-arrivals", "body": body}, "message") is None


@pytest.mark.parametrize(
    "key", ["published/nightly/x/predictions.json", "incoming/", "incoming/%7B%7Bx%7D%7D", "incoming/$(A)"]
)
def test_an_object_elsewhere_is_refused(local: tuple[Node, ResultFiles], key: str) -> None:
    """An object outside incoming/, or with a name that looks like a variable, is not scored."""
    node, _ = local
    done = run_nightly(node, object=key)
    assert (done.names, done.last.code) == (["prepare"], 2)
    assert "is not to be scored" in done.last.err

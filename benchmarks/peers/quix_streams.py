"""A stream processor with Quix Streams, as its documentation shows one: at least once, with its default settings.

python quix_streams.py HOST:PORT TOPICS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quixstreams import Application

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "iris_model" / "src"))

from iris_model.iris_predict import IrisModel


def main(address: str, base: str) -> None:
    """Process messages until a signal comes.

    Args:
        address: of the broker.
        base: the topics' names without .inputs and .outputs.
    """
    model = IrisModel()

    def predict(record: dict[str, Any]) -> dict[str, Any]:
        prediction: dict[str, Any] = model.predict(model.input_schema(**record)).model_dump()
        return prediction

    application = Application(broker_address=address, consumer_group="quix", auto_offset_reset="earliest")
    inputs = application.topic(f"{base}.inputs", value_deserializer="json")
    outputs = application.topic(f"{base}.outputs", value_serializer="json")
    application.dataframe(inputs).apply(predict).to_topic(outputs)
    application.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Pin the images that docker/ and deploy/ take from registries: put the digest of each tag behind it.

    python tools/pin_images.py          # or: make pin-images

The digests are asked for with `docker buildx imagetools inspect`, which needs a network but no Docker daemon. An image
that is pinned already gets the digest that its tag has now. Run it again when a base image was rebuilt with fixes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ["docker/Dockerfile", "docker/*.yaml", "deploy/docker/Dockerfile*", "deploy/components/*/*.yaml"]
REFERENCE = re.compile(r"(?P<word>\b(?:FROM|image:) )(?P<tagged>(?!model_etl)[\w./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?")
"""An image with a tag, after the word that uses it; not the images that are built here."""
INSPECT = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}"]


class PinError(Exception):
    """A digest cannot be found; the message says why."""


def pinned_files() -> list[Path]:
    """Return the files that name images."""
    return [path for pattern in FILES for path in sorted(ROOT.glob(pattern))]


def digest(image: str) -> str:
    """Ask the registry for the digest of a tag: that of the list of all platforms, if the tag has more than one.

    Raises:
        PinError: if docker is missing, the registry cannot be reached or it does not have the image.
    """
    try:
        done = subprocess.run([*INSPECT, image], capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise PinError("docker is not on the PATH") from None
    found = done.stdout.strip()
    if done.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        answer = (done.stderr.strip() or found or "it printed nothing").splitlines()[0]
        raise PinError(f"docker has no digest of {image}: {answer}")
    return found


def main() -> int:
    """Pin every image, or none; return the exit code."""
    texts = {path: path.read_text("utf-8") for path in pinned_files()}
    images = {found["tagged"] for text in texts.values() for found in REFERENCE.finditer(text)}
    try:
        digests = {image: digest(image) for image in sorted(images)}
    except PinError as error:
        print(f"pin_images.py: {error}; nothing was changed", file=sys.stderr)  # noqa: T201
        return 1
    for path, text in texts.items():
        changed = REFERENCE.sub(lambda found: f"{found['word']}{found['tagged']}@{digests[found['tagged']]}", text)
        if changed != text:
            path.write_text(changed, "utf-8")
            print(f"pinned in {path.relative_to(ROOT)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The Dockerfiles agree where they must; what they make is tested by running it."""

import re
import tomllib

import pytest
from support.locks import SERVICES
from support.servers import ROOT

_SHARED_STAGES = ("runtime", "builder", "tensorflow-messages")


@pytest.mark.parametrize("stage", _SHARED_STAGES)
def test_stage_of_several_images_is_built_once(stage: str) -> None:
    # The builder recognises a stage by what it says, so a difference of one letter would build it again.
    written = {text for service in SERVICES for name, text in _stages(service) if name == stage}
    assert len(written) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_image_has_the_domain_package_if_its_member_asks_for_it(service: str) -> None:
    project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asks = any(re.match(r"repsense\b", dependency) for dependency in project["dependencies"])
    assert ("./packages/repsense" in dict(_stages(service))["code"]) is asks


@pytest.mark.parametrize("service", SERVICES)
def test_image_runs_its_command_as_a_user_without_rights(service: str) -> None:
    last = dict(_stages(service))[""]
    project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (command,) = project["scripts"]
    assert f'ENTRYPOINT ["{command}"]' in last
    assert re.findall("^USER .*", last, flags=re.MULTILINE) == ["USER 10001:10001"]


def _stages(service: str) -> list[tuple[str, str]]:
    """Names and instructions; the last stage, which has no name, is what becomes the image."""
    text = (ROOT / "services" / service / "Dockerfile").read_text(encoding="utf-8")
    instructions = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()
    parts = re.split(r"^(?=FROM )", instructions, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0].partition(" AS ")[2], part.strip()) for part in parts]

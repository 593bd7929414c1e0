# SPDX-License-Identifier: Apache-2.0
"""Every path of the API against everything that its own description allows, and much that it does not."""

import pytest
from hypothesis import HealthCheck, settings
from model.label_bags import write_pictures

schemathesis = pytest.importorskip("schemathesis")

from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.openapi.checks import (  # noqa: E402
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
FUZZED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def described(server):
    return schemathesis.openapi.from_url(f"http://localhost:{server.port}/api/openapi.json")


@pytest.fixture
def live(serve, robot, no_limits):
    return described(serve(robot))


@pytest.fixture(scope="module")
def recording(bundle, tmp_path_factory):
    from liv_model.goal import Goal
    from liv_web.view_command import open_source

    folder = tmp_path_factory.mktemp("fuzz")
    write_pictures(folder / "bag", count=6)
    with open_source(folder / "bag", bundle=str(bundle.path), goal=Goal("open the door")) as source:
        yield source


@pytest.fixture
def recorded(serve, recording, no_limits):
    return described(serve(recording))


live_schema = schemathesis.pytest.from_fixture("live")
recorded_schema = schemathesis.pytest.from_fixture("recorded")


@pytest.mark.slow
@live_schema.parametrize()
@FUZZED
def test_a_robot(case):
    case.call_and_validate(checks=CHECKS)


@pytest.mark.slow
@recorded_schema.parametrize()
@FUZZED
def test_a_recording(case):
    case.call_and_validate(checks=CHECKS)


def test_the_description_names_every_path_and_every_error(serve, robot, ask):
    description = ask(serve(robot)).get("/api/openapi.json").json()
    assert set(description["paths"]) == {
        *("/api/status", "/api/health", "/api/goal", "/api/goal/image", "/api/goal/camera", "/api/episodes"),
        *("/api/episode", "/api/verdict", "/api/record", "/api/models", "/api/models/rollback"),
        *("/api/curve", "/api/frame"),
    }
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert {"200", "401", "403", "422", "429", "503"} <= set(operation["responses"]), (path, method)
            assert operation["description"], (path, method)

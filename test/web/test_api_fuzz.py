# SPDX-License-Identifier: Apache-2.0
"""Every path of the API against everything that its own description allows, and much that it does not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import InvalidArgument, Unsatisfiable
from model.label_bags import write_pictures

schemathesis = pytest.importorskip("schemathesis")

from schemathesis.checks import positive_data_acceptance  # noqa: E402

# All checks but this: what a description allows may still be a picture that does not decode, or a camera that is not.
EXCLUDED = [positive_data_acceptance]
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


def fuzz(schema):
    """Not by the plugin's parametrize, which reads what pytest has inside and breaks with a new one."""
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in schemathesis.GenerationMode:

            @FUZZED
            @given(case=operation.as_strategy(generation_mode=mode))
            def attempt(case):
                case.call_and_validate(excluded_checks=EXCLUDED)

            try:
                attempt()
            except (Unsatisfiable, InvalidArgument):  # nothing can be said wrongly where nothing is said
                assert mode == schemathesis.GenerationMode.NEGATIVE


@pytest.mark.slow
def test_a_robot(live):
    fuzz(live)


@pytest.mark.slow
def test_a_recording(recorded):
    fuzz(recorded)


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

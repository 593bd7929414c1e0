# SPDX-License-Identifier: Apache-2.0
"""Instructions scored side by side, with a double of the encoder and through real DDS."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
from std_msgs.msg import Header

from liv_model.errors import ConfigError, GoalError

pytestmark = pytest.mark.ros
DIM = 4


class EncoderDouble:
    """The embedding of a text is the axis that its first word names; `longest` words at most."""

    WORDS = ("one", "two", "three", "four")

    def __init__(self, model="m@1", longest=3, turn=0):
        self.model, self.longest, self.turn = model, longest, turn

    def encode_texts(self, texts):
        for text in texts:
            if len(text.split()) > self.longest:
                raise GoalError("goal", expected=f"at most {self.longest} words", got=text)
        axes = [(self.WORDS.index(text.split()[0]) + self.turn) % DIM for text in texts]
        return np.eye(DIM, dtype=np.float32)[axes]


class Heard:
    def __init__(self, probe):
        from liv_ros import messages, msg

        self.scores, self.sets = [], []
        probe.node.create_subscription(msg.GoalScores, "camera/goal_scores", self.scores.append, messages.STREAM_QOS)
        probe.node.create_subscription(msg.GoalSet, "active_goal_set", self.sets.append, messages.LATCHED_QOS)
        self.ask = probe.node.create_publisher(msg.GoalSet, "goal_set", 10)


@pytest.fixture
def heard(probe):
    return Heard(probe)


@pytest.fixture
def goal_set(probe, heard):
    """In the probe's own node; ``changes`` counts what it asked for."""
    from liv_ros.goal_set_input import GoalSetInput

    asked = []
    goal_set = GoalSetInput(probe.node, ["camera"], lambda: asked.append(1))
    goal_set.changes = asked
    probe.wait(lambda: probe.node.count_subscribers("/liv/active_goal_set"), "the probe's own subscription")
    probe.connected(heard.ask)
    return goal_set


def ask(probe, heard, goal_set, *texts):
    from liv_ros.msg import GoalSet

    before = len(goal_set.changes) + goal_set.refused
    heard.ask.publish(GoalSet(texts=texts))
    probe.wait(lambda: len(goal_set.changes) + goal_set.refused > before, "the set to arrive")


def told(probe, heard, *texts):
    probe.wait(lambda: heard.sets and tuple(heard.sets[-1].texts) == texts, f"the set {texts}")


def test_each_embedding_is_scored_against_every_text(probe, heard, goal_set):
    encoder = EncoderDouble()
    goal_set.encode(encoder)
    told(probe, heard)
    unit = np.array([0.6, 0.8, 0, 0], np.float32)
    goal_set.score("camera", Header(frame_id="before"), "m@1", unit)  # no set: nothing is told
    ask(probe, heard, goal_set, "two", "one thing", "four")
    goal_set.encode(encoder)
    told(probe, heard, "two", "one thing", "four")
    header = Header(frame_id="optical")
    header.stamp.sec = 7
    goal_set.score("camera", header, "m@1", unit)
    scores = probe.wait(lambda: heard.scores and heard.scores[0], "scores")
    assert (scores.header, scores.camera, scores.model) == (header, "camera", "m@1")
    assert list(scores.texts) == ["two", "one thing", "four"]
    np.testing.assert_allclose(scores.values, [0.8, 0.6, 0.0], atol=1e-6)


@pytest.mark.parametrize("texts", [("one", " "), ("one", ""), ("one",) * 257, ("one", "two many words here")])
def test_one_bad_text_refuses_the_whole_set_and_the_old_one_stays(probe, heard, goal_set, texts):
    encoder = EncoderDouble()
    ask(probe, heard, goal_set, "three")
    goal_set.encode(encoder)
    ask(probe, heard, goal_set, *texts)
    goal_set.encode(encoder)
    assert goal_set.refused == 1
    assert "expected" in goal_set.last_refusal
    assert goal_set.texts == ("three",)
    told(probe, heard, "three")
    goal_set.score("camera", Header(), "m@1", np.eye(DIM, dtype=np.float32)[2])
    assert list(probe.wait(lambda: heard.scores and heard.scores[0], "scores").values) == [1.0]


def test_another_model_scores_the_same_set_anew_and_never_the_embeddings_of_the_last(probe, heard, goal_set):
    ask(probe, heard, goal_set, "one")
    goal_set.encode(EncoderDouble())
    goal_set.encode(EncoderDouble("m@2", turn=1))
    axes = np.eye(DIM, dtype=np.float32)
    goal_set.score("camera", Header(), "m@1", axes[0])
    goal_set.score("camera", Header(), "m@2", axes[1])
    scores = probe.wait(lambda: heard.scores and heard.scores[0], "scores")
    assert (scores.model, list(scores.values)) == ("m@2", [1.0])


def test_a_set_that_a_new_model_cannot_read_is_dropped(probe, heard, goal_set):
    ask(probe, heard, goal_set, "one two three")
    goal_set.encode(EncoderDouble())
    goal_set.encode(EncoderDouble("m@2", longest=1))
    assert goal_set.texts == ()
    assert "at most 1 words" in goal_set.last_refusal
    told(probe, heard)


def test_a_failing_device_refuses_and_stops_nothing(probe, heard, goal_set):
    encoder = EncoderDouble()
    ask(probe, heard, goal_set, "one")
    encoder.encode_texts = lambda texts: 1 / 0
    goal_set.encode(encoder)
    assert "division" in goal_set.last_refusal


def test_the_parameter_gives_the_first_set_and_refuses_what_cannot_be_one(probe):
    import rclpy
    from rclpy.parameter import Parameter

    from liv_ros.goal_set_input import GoalSetInput

    def goal_set(name, texts):
        given = Parameter("goal_set", Parameter.Type.STRING_ARRAY, texts)
        made = rclpy.create_node(name, context=probe.context, parameter_overrides=[given])
        try:
            return GoalSetInput(made, [], lambda: None)
        finally:
            nodes.append(made)

    nodes = []
    try:
        first = goal_set("first", ["one", "two"])
        first.encode(EncoderDouble())
        assert first.texts == ("one", "two")
        with pytest.raises(ConfigError, match=r"goal_set.*expected a sentence"):
            goal_set("second", ["one", ""])
    finally:
        for made in nodes:
            made.destroy_node()


# --- through encoder_node and DDS ------------------------------------------------------------------------------------


def scores_of(probe, heard, embedding):
    stamp = embedding.header.stamp
    return probe.wait(lambda: next((s for s in heard.scores if s.header.stamp == stamp), None), "scores")


def test_encoder_node_scores_the_set_beside_the_goal(graph, heard):
    from liv_ros.msg import GoalSet

    graph.connected(heard.ask)
    told(graph, heard)
    texts = ("close the drawer", "open the drawer", "sing me a song")
    heard.ask.publish(GoalSet(texts=texts))
    told(graph, heard, *texts)
    embedding = graph.show()
    scores = scores_of(graph, heard, embedding)
    assert scores.header == embedding.header
    assert (scores.camera, scores.model, tuple(scores.texts)) == ("camera", embedding.model, texts)
    assert scores.values[1] == pytest.approx(graph.reward_of(embedding).value, abs=1e-6)  # that of the active goal
    heard.ask.publish(GoalSet(texts=["open the drawer", "word " * 50]))
    graph.wait(lambda: "at most 8 tokens" in (graph.told("encoder_node", "last goal set refused") or ""), "the refusal")
    assert tuple(scores_of(graph, heard, graph.show()).texts) == texts
    heard.ask.publish(GoalSet())
    told(graph, heard)
    graph.show()
    before = len(heard.scores)
    graph.reward_of(graph.show())
    assert len(heard.scores) == before


def test_the_set_of_the_parameter_goes_on_with_another_model(probe, heard, start, tmp_path):
    from liv_ros.srv import LoadBundle
    from tiny_bundle import make_bundle

    other = make_bundle(tmp_path / "other", seed=1)
    start("encoder_node", goal_set=["open the door", "press the button"])
    probe.connected(probe.camera)
    first = scores_of(probe, heard, probe.show(probe.picture(seed=5)))
    assert list(first.texts) == ["open the door", "press the button"]
    answer = probe.call(LoadBundle, "load_bundle", LoadBundle.Request(path=str(other.path)))
    assert (answer.success, answer.model) == (True, other.identity)
    second = scores_of(probe, heard, probe.show(probe.picture(seed=5)))
    assert (second.model, second.texts) == (other.identity, first.texts)
    assert max(abs(a - b) for a, b in zip(first.values, second.values, strict=True)) > 1e-3


def test_a_set_that_cannot_be_one_ends_encoder_node_at_the_start(start):
    process = start("encoder_node", goal_set=["open the door", " "])
    assert process.wait(30) == 2
    assert "parameter goal_set" in process.output

# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium wrappers: the API as gymnasium's own checker sees it, the rules of rewards, and bad input."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import gymnasium
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from liv_model.errors import ActionError, ConfigError, GoalError, ImageError
from liv_model.goal import Goal
from liv_model.gym import KEYS, LivReward, LivVectorReward, load
from liv_model.image import to_square

TEXT, OTHER = "open the drawer", "close the drawer"
HEIGHT, WIDTH, LENGTH = 24, 32, 5


class Bars(gymnasium.Env):
    """A picture that the actions brighten, bar by bar; an episode is five steps long."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 1, (4,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, render_mode="rgb_array", grows=False):
        self.render_mode, self._grows = render_mode, grows

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._bars, self._steps = self.np_random.uniform(0, 1, 4).astype(np.float32), 0
        return self._bars.copy(), {"begun": True}

    def step(self, action):
        self._bars = np.clip(self._bars + 0.2 * np.asarray(action, np.float32), 0, 1)
        self._steps += 1
        return self._bars.copy(), 7.0, False, self._steps >= LENGTH, {}

    def render(self):
        width = WIDTH * (2 if self._grows and self._steps > 1 else 1)
        row = np.repeat(255 * self._bars, width // 4).astype(np.uint8)
        return np.repeat(np.broadcast_to(row[None, :, None], (1, width, 3)), HEIGHT, axis=0)


@pytest.fixture(scope="module")
def model(bundle):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = load(bundle.path, threads=1)
    yield model
    model.close()


def embedding(model, picture):
    return model.encoder.encode_images(to_square(picture, model.bundle.image)[None])[0]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.filterwarnings("ignore:.*not initialised using a spec")
@pytest.mark.filterwarnings("ignore:.*doesn't have an environment spec")
def test_gymnasiums_own_checker_finds_nothing(model, replace):
    check_env(LivReward(Bars(), model, TEXT, replace=replace, observe=replace))


def test_info_holds_what_the_model_sees_and_rewards_sum_to_the_rise_of_the_value(model):
    env = LivReward(Bars(), model, TEXT)
    _, info = env.reset(seed=3)
    assert info["begun"] and info["liv_reward"] == 0
    first, total = info["liv_value"], 0.0
    goal = model.encoder.encode_texts([TEXT])[0]
    for _ in range(LENGTH):
        _, reward, _, truncated, info = env.step(env.action_space.sample())
        total += info["liv_reward"]
        assert reward == 7.0
        assert np.array_equal(info["liv_embedding"], embedding(model, env.render()))
        assert info["liv_value"] == pytest.approx(float(info["liv_embedding"].astype(float) @ goal.astype(float)))
        assert 0 <= info["liv_progress"] <= 1
    assert truncated and total == pytest.approx(info["liv_value"] - first, abs=1e-9)


def test_replace_gives_the_reward_of_liv(model):
    env = LivReward(Bars(), model, TEXT, replace=True)
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.ones(4, np.float32))
    assert reward == info["liv_reward"] != 7.0


def test_each_step_renders_once(model):
    class Counted(Bars):
        count = 0

        def render(self):
            self.count += 1
            return super().render()

    counted = Counted()
    env = LivReward(counted, model, TEXT)
    env.reset(seed=0)
    env.step(np.zeros(4, np.float32))
    picture = env.render()
    picture[:] = 0  # a copy
    assert counted.count == 2 and env.render().any()


def test_a_picture_of_the_goal_is_reached_by_being_there(model):
    there = Bars()
    there.reset(seed=5)
    env = LivReward(Bars(), model, there.render())
    _, info = env.reset(seed=5)
    assert info["liv_value"] == pytest.approx(1.0, abs=1e-5)
    env.set_goal(TEXT)
    _, info = env.reset(seed=5)
    assert info["liv_value"] < 0.999


def test_an_unfamiliar_goal_warns(model):
    with pytest.warns(UserWarning, match="unfamiliar"):
        LivReward(Bars(), model, "press drawer door")


def make(number, **more):
    return [lambda: Bars(**more)] * number


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_a_vector_gives_what_single_environments_give(model, kind):
    vector = LivVectorReward(kind(make(3)), model, [TEXT, OTHER, TEXT], replace=True)
    singles = [LivReward(Bars(), model, goal, replace=True) for goal in (TEXT, OTHER, TEXT)]
    try:
        _, infos = vector.reset(seed=11)
        alone = [env.reset(seed=11 + number)[1] for number, env in enumerate(singles)]
        actions = np.random.default_rng(0).uniform(-1, 1, (LENGTH, 3, 4)).astype(np.float32)
        for step in range(LENGTH + 1):
            for key in KEYS:
                expected = np.array([info[key] for info in alone])
                assert infos[key].shape == expected.shape
                np.testing.assert_allclose(infos[key], expected, atol=1e-5)
                assert infos[f"_{key}"].all()
            if step < LENGTH:
                _, rewards, _, truncations, infos = vector.step(actions[step])
                found = [env.step(action) for env, action in zip(singles, actions[step], strict=True)]
                alone = [result[4] for result in found]
                np.testing.assert_allclose(rewards, [result[1] for result in found], atol=1e-5)
        assert truncations.all()
        _, rewards, _, _, infos = vector.step(actions[0])  # the next episode begins
        assert np.array_equal(rewards, np.zeros(3)) and np.array_equal(infos["liv_reward"], np.zeros(3))
        _, rewards, _, _, _ = vector.step(actions[0])
        assert rewards.any()
    finally:
        vector.close()


def test_environments_are_encoded_as_one_batch(model, monkeypatch):
    batches = []
    encode = model.encoder.encode_images
    monkeypatch.setattr(model.encoder, "encode_images", lambda rgb: (batches.append(len(rgb)), encode(rgb))[1])
    env = LivVectorReward(SyncVectorEnv(make(4)), model, TEXT)
    env.reset(seed=0)
    env.step(np.zeros((4, 4), np.float32))
    assert batches == [4, 4]


def test_a_masked_reset_begins_only_what_it_names(model):
    env = LivVectorReward(SyncVectorEnv(make(2), autoreset_mode=AutoresetMode.DISABLED), model, TEXT)
    env.reset(seed=0)
    env.step(np.ones((2, 4), np.float32))
    _, infos = env.reset(options={"reset_mask": np.array([True, False])})
    _, _, _, _, after = env.step(np.ones((2, 4), np.float32))
    assert infos["liv_reward"][0] == 0
    assert after["liv_reward"][0] == pytest.approx(after["liv_value"][0] - infos["liv_value"][0])


def test_an_episode_that_begins_within_an_autoreset_has_an_origin_of_its_own(model):
    env = LivReward(gymnasium.wrappers.Autoreset(Bars()), model, TEXT)
    env.reset(seed=0)
    for _ in range(LENGTH):
        _, _, _, truncated, end = env.step(np.ones(4, np.float32))
    _, _, _, _, first = env.step(np.ones(4, np.float32))
    assert truncated and first["liv_value"] != end["liv_value"] and first["liv_reward"] == 0
    _, _, _, _, second = env.step(np.ones(4, np.float32))
    assert second["liv_reward"] == pytest.approx(second["liv_value"] - first["liv_value"], abs=1e-9)


def test_the_embedding_can_be_observed_beside_what_the_environment_shows(model):
    env = LivReward(Bars(), model, TEXT, observe=True)
    for observation, info in (env.reset(seed=0), env.step(np.ones(4, np.float32))[::4]):
        assert env.observation_space.contains(observation)
        assert np.array_equal(observation["liv_embedding"], info["liv_embedding"])
    flat = gymnasium.wrappers.FlattenObservation(env)
    assert flat.reset(seed=0)[0].shape == (4 + model.bundle.dim,)
    vector = LivVectorReward(SyncVectorEnv(make(2)), model, TEXT, observe=True)
    for observations, infos in (vector.reset(seed=0), vector.step(np.ones((2, 4), np.float32))[::4]):
        assert vector.observation_space.contains(observations)
        assert np.array_equal(observations["liv_embedding"], infos["liv_embedding"])


def test_a_refused_goal_leaves_the_one_before(model):
    env = LivReward(Bars(), model, TEXT)
    vector = LivVectorReward(SyncVectorEnv(make(2)), model, TEXT)
    _, before = env.reset(seed=0)
    with pytest.raises(GoalError):
        env.set_goal("")
    with pytest.raises(GoalError):
        vector.set_goal([OTHER, ""])
    assert env.reset(seed=0)[1]["liv_value"] == before["liv_value"]
    assert vector.reset(seed=[0, 0])[1]["liv_value"] == pytest.approx([before["liv_value"]] * 2, abs=1e-5)


def test_a_warning_names_the_line_that_gave_the_goal(model):
    for give in (lambda goal: LivReward(Bars(), model, goal), LivReward(Bars(), model, TEXT).set_goal):
        with pytest.warns(UserWarning, match="unfamiliar") as caught:
            give("press drawer door")
        assert caught[0].filename == __file__


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_no_number_is_refused_before_the_environment_sees_it(model, value):
    env = LivReward(Bars(), model, TEXT)
    env.reset(seed=0)
    bad = np.array([0, value, 0, 0], np.float32)
    with pytest.raises(ActionError, match="finite"):
        env.step(bad)
    vector = LivVectorReward(SyncVectorEnv(make(2)), model, TEXT)
    vector.reset(seed=0)
    with pytest.raises(ActionError, match="finite"):
        vector.step(np.stack([bad, bad]))
    with pytest.raises(ActionError, match="finite"):
        env.step({"arm": (np.zeros(2), bad)})
    for odd in ([0.1, None, 0, 0], np.array([0.1, np.nan, 0, 0], object), [[0.1, value], [0.2]]):
        with pytest.raises(ActionError, match="finite"):
            env.step(odd)
    env.step(np.array([0.1, 0, 0, 0], object))


def test_an_environment_without_pictures_is_refused(model):
    for made in (lambda: LivReward(Bars(render_mode=None), model, TEXT),):
        with pytest.raises(ConfigError, match=r"rgb_array.*None.*gymnasium\.make"):
            made()
    with pytest.raises(ConfigError, match="rgb_array"):
        LivVectorReward(SyncVectorEnv(make(2, render_mode=None)), model, TEXT)


def test_a_goal_of_another_shape_is_refused(model):
    env = LivReward(Bars(), model, np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    with pytest.raises(ImageError, match=r"goal picture.*32x24.*24x32"):
        env.reset()
    half = LivReward(Bars(), model, np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8))
    half.reset()
    half.set_goal(np.zeros((HEIGHT // 3, WIDTH // 3, 3), np.uint8))  # 10 x 8: a pixel off, as scaling leaves it
    with pytest.raises(ImageError, match="goal picture"):
        half.set_goal(np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    with pytest.raises(ImageError, match="goal picture"):
        LivReward(Bars(), model, np.zeros((HEIGHT, WIDTH, 4), np.uint8))
    with pytest.raises(ImageError, match="goal picture"):
        LivReward(Bars(), model, np.zeros(model.bundle.dim, np.float32))


def test_goals_that_are_none_are_refused(model):
    for goal in ("", 3, None):
        with pytest.raises(GoalError):
            LivReward(Bars(), model, goal)
    with pytest.raises(GoalError, match="2 environments"):
        LivVectorReward(SyncVectorEnv(make(2)), model, [TEXT])
    assert LivReward(Bars(), model, Goal(TEXT)).reset()


def test_pictures_that_change_their_size_are_refused(model):
    env = LivReward(Bars(grows=True), model, TEXT)
    env.reset(seed=0)
    env.step(np.zeros(4, np.float32))
    with pytest.raises(ImageError, match="32x24 pixels, as before, got 64x24"):
        env.step(np.zeros(4, np.float32))


def test_the_end_of_an_episode_must_be_seen(model):
    with pytest.raises(ConfigError, match="SAME_STEP"):
        LivVectorReward(SyncVectorEnv(make(2), autoreset_mode=AutoresetMode.SAME_STEP), model, TEXT)


@pytest.mark.parametrize(("own", "told"), [("SAME_STEP", "NEXT_STEP"), ("NEXT_STEP", "SAME_STEP")])
def test_what_an_environment_says_itself_counts_more_than_shared_metadata(model, own, told):
    """Gymnasium 1.1 lets the environment that was made last write into the metadata of all."""
    env = SyncVectorEnv(make(2), autoreset_mode=AutoresetMode[own])
    env.metadata = {**env.metadata, "autoreset_mode": AutoresetMode[told]}
    if own == "SAME_STEP":
        with pytest.raises(ConfigError, match="SAME_STEP"):
            LivVectorReward(env, model, TEXT)
    else:
        LivVectorReward(env, model, TEXT)


def test_an_environment_that_does_not_say_when_it_begins_anew_warns(model):
    env = SyncVectorEnv(make(2))
    env.metadata, env.autoreset_mode = {}, None
    with pytest.warns(UserWarning, match="autoreset_mode"):
        LivVectorReward(env, model, TEXT)


def test_a_model_that_is_not_loaded_is_refused(model):
    with pytest.raises(ConfigError, match=r"loaded model.*str.*gym\.load"):
        LivReward(Bars(), "models/metaworld", TEXT)


def test_without_gymnasium_it_says_what_is_missing():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "from liv_model.errors import ConfigError\n"
        "try:\n    import liv_model.gym\nexcept ConfigError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'gymnasium>=1.1'" in result.stdout, result.stderr

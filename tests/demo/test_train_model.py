"""Training the model of the demo: formulas and tokenizer, and a killed training resumes to the same weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distillery_demo.train_model import TrainingSettings, diffuse, rate, reconstruction_loss, train_model

TINY = TrainingSettings(
    images=20,
    tidy_images=20,
    autoencoder_steps=4,
    autoencoder_batch=4,
    decoder_steps=4,
    steps=6,
    batch=4,
    checkpoint_every=2,
    seed=3,
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@given(st.floats(0.001, 0.999))
def test_clean_latents_and_noise_follow_from_noisy_latents_and_velocity(signal):
    rng = np.random.default_rng(0)
    clean, noise = (torch.from_numpy(rng.normal(size=(3, 2, 4, 4))) for _ in range(2))
    noisy, velocity = diffuse(clean, noise, torch.full((3,), signal, dtype=torch.float64))
    torch.testing.assert_close(np.sqrt(signal) * noisy - np.sqrt(1 - signal) * velocity, clean)
    torch.testing.assert_close(np.sqrt(1 - signal) * noisy + np.sqrt(signal) * velocity, noise)


@pytest.mark.slow
def test_the_sampler_leads_a_perfect_denoiser_to_the_clean_image():
    # the noise of training and of sampling has to be the same function of the step
    from distillery_demo.text_to_image import TRAINED_STEPS, noise_schedule

    schedule = noise_schedule()
    signal = schedule.alphas_cumprod
    assert len(signal) == TRAINED_STEPS and (np.diff(signal) < 0).all() and signal[0] > 0.99 and signal[-1] < 0.01
    schedule.set_timesteps(8)
    clean, latents = (torch.from_numpy(np.random.default_rng(k).normal(size=(1, 2, 4, 4))) for k in (0, 1))
    for step in schedule.timesteps:
        kept = signal[step].double()
        noise = (latents - kept.sqrt() * clean) / (1 - kept).sqrt()
        noisy, velocity = diffuse(clean, noise, kept[None])
        torch.testing.assert_close(noisy, latents)
        latents = schedule.step(velocity, step, latents).prev_sample
    torch.testing.assert_close(latents, clean, atol=0.02, rtol=0)


def test_the_rate_rises_and_then_falls_to_zero():
    rates = [rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) > 0.97 and rates[-1] < 1e-4
    assert rates.index(max(rates)) == 99 and all(np.diff(rates[99:]) < 0)


def test_the_reconstruction_loss_counts_pixels_and_edges():
    flat, edge = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert reconstruction_loss(flat + 0.5, flat).item() == pytest.approx(0.5)  # a shift has no edges
    edge[..., 2:] = 1
    assert reconstruction_loss(edge, flat).item() == pytest.approx(0.5 + 1 / 3)  # one of three differences


@pytest.mark.slow
def test_every_known_word_is_one_token_and_others_are_spelled_in_bytes():
    from distillery_demo.captions import vocabulary
    from distillery_demo.text_to_image import TOKENS, tokens_of, train_tokenizer

    tokenizer = train_tokenizer(vocabulary())
    for text in vocabulary():
        words = [word for part in text.replace("-", " - ").split() for word in part.replace(",", " ,").split()]
        assert tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)[1:-1] == [f"{word}</w>" for word in words]
    strange = tokenizer("an axolotl, à la carte").input_ids
    assert tokenizer.unk_token_id not in strange[1:-1] and len(strange) > 8
    tokens = tokens_of(tokenizer, ["a cat", "a cat " * 40])
    assert tokens.shape == (2, TOKENS) and tokens.dtype == torch.int64
    assert tokens[1, -1] == tokenizer.eos_token_id  # a prompt that is cut off still ends


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_files(tmp_path, monkeypatch):
    from distillery.generation.models.diffusion_models import hash_model
    from distillery_demo import train_model as training

    before = torch.random.get_rng_state()
    train_model(tmp_path / "whole", TINY, tmp_path / "a")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not list((tmp_path / "a").glob("*.pt"))  # checkpoints are removed
    for kill in (3, 7, 12):  # the step of the run that is killed: in each of the three parts
        steps = iter(range(100))

        def killed(step, steps_of_part, rate=rate, steps=steps, kill=kill):
            if next(steps) == kill:
                raise KeyboardInterrupt
            return rate(step, steps_of_part)

        monkeypatch.setattr(training, "rate", killed)
        with pytest.raises(KeyboardInterrupt):
            train_model(tmp_path / f"killed {kill}", TINY, tmp_path / f"b{kill}")
        monkeypatch.setattr(training, "rate", rate)
        train_model(tmp_path / f"killed {kill}", TINY, tmp_path / f"b{kill}")
        assert hash_model(tmp_path / f"killed {kill}") == hash_model(tmp_path / "whole")

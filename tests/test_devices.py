from distillery import devices


def test_gpus_present_and_visible(tmp_path, monkeypatch):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.count_gpus() == 2
    for visible, count in {"0": 1, "0,1": 2, "": 0, "-1": 0, "GPU-abc": 1, "0,1,2": 2}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert devices.count_gpus() == count

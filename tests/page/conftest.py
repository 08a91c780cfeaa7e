"""The tables of a small study as the page reads them: every cell is text."""

import pandas as pd
import pytest


def text_table(rows):
    return pd.DataFrame(rows).astype(str)


@pytest.fixture
def tables():
    """Two scenarios of one size, two arms; cells as text, as the page reads them."""
    base = {"clean": "", "size": "small", "n_test": 200, "n_classes": 10, "untrained": "", "note": ""}
    summary = text_table([
        base | {"scenario": s, "arm": a, "train": f"{n} Google", "n_train": n,
                "n_train_requested": {"a": 700, "b": 800}[s], "mean_percent": mean, "low": low, "high": high}
        for s, a, n, mean, low, high in [
            ("a", "scratch", 400, "30.00", "28.00", "32.00"), ("a", "kd", 400, "40.10", "", ""),
            ("b", "scratch", 800, "35.00", "33.00", "37.00"), ("b", "kd", 800, "45.20", "44.00", "46.40"),
        ]
    ])  # fmt: skip
    ranking = text_table([
        {"size": "small", "arm": a, "scenario": s, "n_classes": 10, "n_compared": 4, "among_best": b, "mean_percent": m}
        for s, a, b, m in [("b", "scratch", "no", "35.00"), ("a", "scratch", "no", "30.00"),
                           ("a", "kd", "yes", "40.10"), ("b", "kd", "yes", "45.20")]
    ])  # fmt: skip
    comparisons = text_table([
        {"comparison": "helps", "question": "Does it help?", "scenario": s, "versus_scenario": s, "arm": "kd",
         "versus_arm": "scratch", "verdict": v, "difference": d, "n_pairs": 6,
         "p_holm": "0.012", "correction": "Holm, within the question", "detectable": e,
         "not_covered": "draw of train images"}
        for s, v, d, e in [("a", "better", "10.10", "3.00"), ("b", "no significant difference", "-1.20", "4.50")]
    ])  # fmt: skip
    sources = text_table([
        {"scenario": "a", "arm": "kd", "test": t, "mean_percent": m, "n_test": 200, "n_unflagged": 190,
         "unflagged_percent": "42.00"}
        for t, m in [("common", "40.10"), ("google", "60.00"), ("bing", "20.20")]
    ])  # fmt: skip
    classes = text_table([
        {"scenario": "b", "arm": "kd", "class": c, "mean_percent": m} for c, m in [("cat", "9.50"), ("dog", "80.00")]
    ])  # fmt: skip
    confusion = text_table([
        {"scenario": "b", "arm": "kd", "class": c, "predicted": p, "percent": m}
        for c, p, m in [
            ("cat", "cat", "9.50"), ("cat", "dog", "90.50"), ("dog", "dog", "80.00"), ("dog", "cat", "20.00")
        ]
    ])  # fmt: skip
    calibration = text_table([
        {"scenario": s, "arm": "kd", "ece_percent": e, "ece_if_calibrated": "1.50",
         "confidence_percent": c, "accuracy_percent": a}
        for s, e, c, a in [("a", "30.00", "70.00", "40.00"), ("b", "2.00", "44.00", "45.20")]
    ])  # fmt: skip
    agreement = text_table([
        {"scenario": "b", "arm": "kd", "agreement_percent": "55.50", "repeated_percent": "12.00", "n_teacher_wrong": 20}
    ])  # fmt: skip
    costs = text_table([
        {"rule": "train_student", "scenario": "a", "arm": a, "seconds_each": s}
        for a, s in [("scratch", "9.0"), ("kd", "10.5")]
    ])  # fmt: skip
    counts = text_table([
        {"source": "google", "class": c, "candidates": 50, "kept": 40, "dropped_blank": 3, "dropped_near_duplicate": 7}
        for c in ("cat", "dog")
    ])  # fmt: skip
    trust = text_table([{"source": "google", "class": "all", "tested_on": 3}])
    audit = trust.assign(
        flagged_percent="12.3", own_flagged_percent="11.1", above_own="no", wrong_percent="15.2",
        own_wrong_percent="14.8", clean_loses_percent="13.4",
    )  # fmt: skip
    return {
        "summary": summary, "ranking": ranking, "comparisons": comparisons, "test_sources": sources,
        "per_class": classes,
        "confusion": confusion, "calibration": calibration, "agreement": agreement, "costs": costs, "counts": counts,
        "leakage": trust, "audit": audit, "runs": pd.DataFrame(columns=["accuracy_percent_on_google"]),
        "teacher": text_table([
            {"teacher": "all", "test": t, "class": c, "accuracy_percent": p}
            for t, c, p in [("own", "all", "68.75"), ("own", "cat", "9.00"), ("google", "all", "50.00")]
        ]),
    }  # fmt: skip

"""Other threads, signals and forks."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest


def test_threads_share_a_model(digits, images):
    expected = digits.score(images)
    results = [None] * 4

    def work(n):
        results[n] = digits.score(images)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, expected) for result in results)


def test_other_threads_run_meanwhile(photos):
    started, ticks = threading.Event(), []

    def work():
        started.set()
        photos.sample(8)
        ticks.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    while thread.is_alive():
        ticks.append("tick")
        time.sleep(0.001)
    thread.join()
    # With the lock held there would be a handful, before and after.
    assert ticks.count("tick") > 20


INTERRUPTED = """
import sys, time
import numpy as np
import pixelrnn
model = pixelrnn.Model(sys.argv[1])
images = model.sample(1).repeat(100_000, 0)
print("ready", flush=True)
try:
    getattr(model, sys.argv[2])(images)
    print("finished")
except KeyboardInterrupt:
    # The package works on afterwards.
    print("interrupted", model.score(images[:1]).shape)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("method", ["score", "compress", "complete"])
def test_control_c_stops_the_work(method, tmp_path, clothes):
    clothes.save(tmp_path / "model.prnn")
    arguments = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "model.prnn"), method]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert out == "interrupted (1,)\n"


def score_in_a_fork(digits, images, connection):
    connection.send(digits.score(images))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_has_threads_of_its_own(digits, images):
    expected = digits.score(images)
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=score_in_a_fork, args=(digits, images, theirs))
    process.start()
    assert ours.poll(60), "the fork waits for threads that it does not have"
    assert np.array_equal(ours.recv(), expected)
    process.join()

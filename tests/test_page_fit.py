"""A page that nobody visits."""

import time


def test_a_server_that_nobody_visits_rests(served):
    served.models.pipeline(served.model)

    def share_of_a_core():
        began, cpu = time.monotonic(), time.process_time()
        time.sleep(4)
        return (time.process_time() - cpu) / (time.monotonic() - began)

    time.sleep(1)
    assert min(share_of_a_core() for _ in range(4)) < 0.01  # what earlier tests left behind may end meanwhile

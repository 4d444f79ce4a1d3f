import os
import signal

import pytest

from gbss.detection.stopping import StopRequest


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_is_noted_and_the_old_handlers_come_back(number, status, capfd):
    before = signal.getsignal(number)
    with StopRequest() as request:
        assert not request.agreed()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert request.agreed()
        assert request.status == status
    assert signal.getsignal(number) == before
    assert capfd.readouterr().err.count("stopping with a checkpoint") == 1


def test_a_second_interrupt_stops_at_once(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with StopRequest() as request:
        os.kill(os.getpid(), signal.SIGINT)
        request._since -= 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_loading_process_that_inherits_the_handler_lives_on():
    with StopRequest():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

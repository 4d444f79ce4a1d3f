import os
import signal

import pytest
import torch.distributed as dist

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


def test_a_signal_during_the_agreement_is_agreed_on_the_next_time(monkeypatch):
    def reduce(number, op, group):
        assert (op, group) == (dist.ReduceOp.MAX, "both")
        if len(reduced) == 0:
            os.kill(os.getpid(), signal.SIGTERM)  # after the number was read
        if len(reduced) == 2:
            number.fill_(max(int(number), signal.SIGUSR1))  # of the other process
        reduced.append(int(number))

    reduced = []
    monkeypatch.setattr(dist, "all_reduce", reduce)
    with StopRequest() as request:
        request._group = "both"
        assert not request.agreed()  # as on the other process
        assert request.number == signal.SIGTERM
        assert request.agreed()
        assert reduced == [0, signal.SIGTERM]
        request.number = 0
        assert request.agreed()
        assert (request.number, request.status) == (signal.SIGUSR1, 75)


def test_a_loading_process_that_inherits_the_handler_lives_on():
    with StopRequest():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

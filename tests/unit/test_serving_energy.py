import pytest

from contextrot.engines import Endpoint
from contextrot.serving.energy import EnergyMeter, nvml_joules, rapl_joules


@pytest.fixture
def zones(tmp_path):
    """`write(name, microjoules)`: one zone of Linux's powercap, as a machine with RAPL has it."""
    numbers = {}

    def write(name, used, wraps=262_143_328_850):
        folder = tmp_path / numbers.setdefault(name, f"intel-rapl:{len(numbers)}")
        folder.mkdir(exist_ok=True)
        for file, value in (("name", name), ("energy_uj", used), ("max_energy_range_uj", wraps)):
            (folder / file).write_text(f"{value}\n")

    write.folder = tmp_path
    return write


ENDPOINT = Endpoint("vllm", "m", "hosted_vllm")


def test_packages_are_counted_and_not_their_parts(zones):
    zones("package-0", 5_000_000)
    zones("core", 4_000_000)
    assert rapl_joules(zones.folder) == {"cpu package 0": (5.0, 262_143.32885)}


def test_joules_are_the_growth_while_it_runs(zones):
    zones("package-0", 5_000_000)
    with EnergyMeter(ENDPOINT, (lambda: rapl_joules(zones.folder),)) as meter:
        zones("package-0", 9_500_000)
    assert meter.joules == {"cpu package 0": 4.5}


def test_a_counter_that_began_again_is_read_on(zones):
    zones("package-0", 9_000_000, wraps=10_000_000)
    with EnergyMeter(ENDPOINT, (lambda: rapl_joules(zones.folder),)) as meter:
        zones("package-0", 1_000_000, wraps=10_000_000)
    assert meter.joules == {"cpu package 0": 2.0}


def test_a_counter_that_was_reset_says_nothing(zones):
    readings = iter([{"gpu 0": (100.0, None)}, {"gpu 0": (1.0, None)}])
    with EnergyMeter(ENDPOINT, (lambda: next(readings),)) as meter:
        pass
    assert meter.joules == {}


def test_what_cannot_be_read_is_absent(tmp_path, zones):
    assert rapl_joules(tmp_path / "nowhere") == {}
    zones("package-0", "not a number")
    assert rapl_joules(zones.folder) == {}


def test_a_server_elsewhere_has_no_energy_here():
    with EnergyMeter(Endpoint("external", "m", "hosted_vllm")) as meter:
        pass
    assert meter.joules == {}


def test_without_nvidias_driver_there_is_no_gpu(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr("contextrot.serving.energy.ctypes.CDLL", missing)
    assert nvml_joules() == {}

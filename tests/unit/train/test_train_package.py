"""The package `orchestrator.train`: all that it names is there, and nothing else."""

import pytest

from orchestrator import train


def test_all_that_the_package_names_can_be_had() -> None:
    assert all(getattr(train, name) is not None for name in train.__all__)
    assert set(train.__all__) <= set(dir(train))


def test_each_name_is_the_one_of_its_module() -> None:
    from orchestrator.train.stop import StopAgreement

    assert train.StopAgreement is StopAgreement
    assert train.StopAgreement is StopAgreement


def test_a_name_that_does_not_exist_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"'orchestrator.train' has no attribute 'reprot'"):
        train.reprot  # noqa: B018 (to ask for it is the test)

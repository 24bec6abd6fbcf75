"""What the shell of facts makes of a node: it runs here, on a node that a tree of files makes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.doubles.node_tree import node_tree, put
from tests.forks import spend

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.facts.files import FileState, file_unless, whole_file
from picluster.facts.names import HOST_NAME, LOCALES, Locales, time_zone
from picluster.facts.packages import package_state
from picluster.facts.swap import SWAP, Swap
from picluster.facts.units import ISCSID, TIME_KEEPING, UNITS, Unit

Facts = TypeVar("Facts")

SYSTEMCTL = "usr/local/sbin/systemctl"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return node_tree(tmp_path / "node")


def asked(probe: ShellProbe[Any], tree: Path) -> Observation:
    done = spend(f"ask() {{ eval {quote(probe.text)}; }}; ask", tree).done
    return Observation(done.status, done.out.decode(), done.err.decode())


def seen(probe: ShellProbe[Facts], tree: Path) -> Facts:
    """Ask on the node, and return the facts."""
    return probe.parse(asked(probe, tree))


def systemd_has(tree: Path, *blocks: str) -> None:
    said = "\n\n".join(blocks)
    for name in re.findall(r"[\w.-]+\.service", said):
        put(tree, f"etc/systemd/system/{name}", "")
    put(tree, SYSTEMCTL, f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n", 0o755)


# ------------------------------------------------------------------ units


def block(names: str, enabled: str, active: str, condition: str = "yes") -> str:
    return (
        f"Result=success\nNames={names}\nLoadState=loaded\nActiveState={active}\n"
        f"UnitFileState={enabled}\nConditionResult={condition}"
    )


NOT_FOUND = "Names=iscsid.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState="


def test_a_unit_is_found_by_any_of_its_names_and_by_whole_ones(tree: Path) -> None:
    systemd_has(tree, block("xk3s.service", "a", "b"), block("a.service b.service", "x", "y"))
    script = f"{UNITS}for each in a b k3s 3s; do unit $each && echo $each=$enabled,$active; done; :"
    assert spend(script, tree).done.out.decode().split() == ["a=x,y", "b=x,y"]


def test_a_unit_that_systemd_does_not_know_is_neither_enabled_nor_active(tree: Path) -> None:
    systemd_has(tree, NOT_FOUND)
    assert seen(ISCSID, tree) == Unit("iscsid", enabled=False, active="inactive")


def test_systemd_is_asked_for_units_that_have_a_file_and_for_nothing_else(tree: Path) -> None:
    asked = (
        '#!/bin/sh\nfor each; do echo "Names=$each.service"; echo ActiveState=active; echo; done\n'
    )
    put(tree, SYSTEMCTL, asked, 0o755)
    for directory, name in (
        ("etc/systemd/system", "snap.microk8s.daemon-kubelite"),
        ("usr/lib/systemd/system", "zramswap"),
        ("run/systemd/generator.late", "ntp"),
        ("run/systemd/transient", "k0sworker"),
    ):
        put(tree, f"{directory}/{name}.service", "")
    script = f"{UNITS}for each in $UNITS; do ! unit $each || echo $each; done"
    found = set(spend(script, tree).done.out.decode().split())
    there = {"snap.microk8s.daemon-kubelite", "zramswap", "ntp", "k0sworker"}
    assert there <= found
    assert not found & {"k3s", "k3s-agent", "rke2-server", "k0scontroller", "kubelet"}


@pytest.mark.parametrize("link", ["etc/rc5.d/S02iscsid", "etc/rc5.d/K01iscsid"])
def test_a_script_of_init_d_is_enabled_by_its_links(tree: Path, link: str) -> None:
    systemd_has(tree, block("iscsid.service", "generated", "active"))
    put(tree, link, "")
    unit = seen(ISCSID, tree)
    assert (unit.enabled, unit.runs) == ("S02" in link, True)


def test_a_time_daemon_that_is_masked_or_absent_is_none(tree: Path) -> None:
    systemd_has(
        tree,
        block("chrony.service chronyd.service", "enabled", "active"),
        block("ntp.service", "masked", "inactive", "no"),
        block("systemd-timesyncd.service", "disabled", "inactive", "no"),
    )
    daemons = seen(TIME_KEEPING, tree).daemons
    assert daemons == (
        Unit("chrony", enabled=True, active="active"),
        Unit("chronyd", enabled=True, active="active"),
        Unit("systemd-timesyncd", enabled=False, active="inactive", skipped=True),
    )


# ------------------------------------------------------------------ swap


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, Swap()),
        ({"proc/swaps": "Filename Type\n/dev/zram0 partition\n"}, Swap(active=("/dev/zram0",))),
        ({"etc/fstab": "#UUID=1 none swap\nUUID=2  none\tswap  sw\n"}, Swap(providers=("fstab",))),
        ({"etc/fstab": "# none none swap\nUUID=2 / ext4 defaults 0 1\n"}, Swap()),
        ({"etc/rpi/swap.conf": ""}, Swap(providers=("rpi-swap",))),
        (
            {
                "etc/rpi/swap.conf": "",
                "etc/rpi/swap.conf.d/90-picluster.conf": "# ours\n[Main]\nMechanism=none\n",
            },
            Swap(),
        ),
        ({"etc/systemd/system/swap.target.wants/a.swap": ""}, Swap(units=("a.swap",))),
        ({"etc/systemd/system/multi-user.target.requires/b.swap": ""}, Swap(units=("b.swap",))),
    ],
)  # fmt: skip
def test_swap_is_found_wherever_it_comes_from(
    tree: Path, files: dict[str, str], found: Swap
) -> None:
    for path, text in files.items():
        put(tree, path, text)
    assert seen(SWAP, tree) == found


def test_a_masked_swap_unit_is_not_turned_on_at_boot(tree: Path) -> None:
    put(tree, "etc/systemd/system/swap.target.wants/a.swap", "")
    (tree / "etc/systemd/system/a.swap").symlink_to("/dev/null")
    assert seen(SWAP, tree) == Swap()


@pytest.mark.parametrize(
    ("unit", "state", "provider"),
    [
        ("dphys-swapfile", "enabled", ("dphys-swapfile",)),
        ("zramswap", "static", ("zram-tools",)),
        ("zramswap", "disabled", ()),
        ("dphys-swapfile", "masked", ()),
    ],
)
def test_a_service_that_provides_swap_is_one_that_starts_at_boot(
    tree: Path, unit: str, state: str, provider: tuple[str, ...]
) -> None:
    systemd_has(tree, block(f"{unit}.service", state, "inactive"))
    assert seen(SWAP, tree) == Swap(providers=provider)


# ------------------------------------------------------------------ packages


def test_packages_are_installed_only_if_they_are_configured(tree: Path) -> None:
    status = tree / "var/lib/dpkg/status"
    half = status.read_text().replace(
        "Package: jq\nStatus: install ok installed", "Package: jq\nStatus: install ok unpacked"
    )
    put(tree, "var/lib/dpkg/status", half)
    state = package_state(["curl:arm64", "jq", "socat=1.8", "url", "nothing"])
    found = seen(state, tree)
    assert found.installed == {"curl", "socat"}
    assert found.lists_age is not None
    assert 0 <= found.lists_age < 3600


@pytest.mark.parametrize(
    ("status", "unfinished"),
    [
        ("install ok installed", False),
        ("hold ok installed", False),
        ("deinstall ok config-files", False),
        ("install ok unpacked", True),
        ("install ok half-configured", True),
        ("install reinstreq half-installed", True),
        ("install ok triggers-pending\nTriggers-Pending: ldconfig", True),
        ("install ok triggers-awaited\nTriggers-Awaited: curl", True),
    ],
)
def test_a_package_that_was_left_half_done_is_an_interrupted_installation(
    status: str, unfinished: bool, tree: Path
) -> None:
    path = tree / "var/lib/dpkg/status"
    text = path.read_text().replace(
        "Package: jq\nStatus: install ok installed", f"Package: jq\nStatus: {status}"
    )
    path.write_text(text)
    assert seen(package_state(["curl"]), tree).interrupted is unfinished


def test_unfinished_work_of_dpkg_is_told(tree: Path) -> None:
    assert not seen(package_state(["curl"]), tree).interrupted
    put(tree, "var/lib/dpkg/updates/0001", "")
    assert seen(package_state(["curl"]), tree).interrupted


# ------------------------------------------------------------------ files and names


@pytest.mark.parametrize("path", ["/etc/rancher/k3s/config.yaml", "/etc/any/other file.yaml"])
def test_a_file_is_told_alike_whether_it_is_looked_at_with_others_or_alone(
    tree: Path, path: str
) -> None:
    for other in ("/etc/rancher/k3s/registries.yaml", "/etc/sysctl.d/99-k3s.conf"):
        put(tree, other, f"{other}\n", 0o644)
    put(tree, path, "text\n", 0o600)
    as_it_is = "b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733"
    assert seen(file_unless("x", path, "another"), tree) == FileState(
        "600 root:root", as_it_is, "text\n"
    )
    assert seen(file_unless("x", path, as_it_is), tree) == FileState("600 root:root", as_it_is)
    assert seen(whole_file("x", path), tree) == FileState("600 root:root", content="text\n")
    assert seen(whole_file("x", f"{path}.none"), tree) == FileState()


def test_the_host_name_is_the_one_in_force_and_the_one_after_a_reboot(tmp_path: Path) -> None:
    put(tmp_path, "etc/hostname", "# a comment\n\n  pi9 \n")
    name = seen(HOST_NAME, tmp_path)
    assert (name.now, name.at_boot) == (os.uname().nodename, "pi9")


def test_locales_are_read_with_and_without_quotes(tree: Path) -> None:
    put(tree, "etc/default/locale", 'LANGUAGE=en\nLANG="de_DE.UTF-8"\n')
    put(tree, "etc/locale.conf", "LANG=en_GB.UTF-8")
    assert seen(LOCALES, tree) == Locales(
        ("de_DE.UTF-8", "en_GB.UTF-8"), ("C", "C.utf8", "en_GB.utf8", "POSIX")
    )


def test_a_time_zone_is_named_by_where_its_link_leads(tree: Path) -> None:
    (tree / "etc/localtime").symlink_to("/usr/share/zoneinfo/Mars/Olympus")
    put(tree, "usr/share/zoneinfo/Mars/Olympus", "")
    (tree / "usr/share/zoneinfo/Mars/Old_Name").symlink_to("Olympus")
    said = asked(time_zone("Mars/Old_Name"), tree)
    assert (said.text("zone"), said.text("wanted")) == ("Mars/Olympus", "Mars/Olympus")
    assert asked(time_zone("No/Such"), tree).text("wanted") == "No/Such"

"""The package can be imported where there are no Unix modules, as on Windows."""

import subprocess
import sys

IMPORT_EVERYTHING = """
import importlib, os, pkgutil, signal, sys, bddseg

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
FUNCTIONS = ("fork", "geteuid", "getpgid", "getuid", "killpg", "sched_getaffinity", "setsid")
SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "SIGUSR2")


class HideModules:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def import_all():
    errors = []
    for module in pkgutil.walk_packages(bddseg.__path__, "bddseg."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except Exception as error:
                errors.append(f"{module.name}: {type(error).__name__}: {error}")
    return errors


# Everything is imported twice, so that only our own modules are imported without those of Unix:
# packages that we use look at the platform.
import_all()
for name in [name for name in sys.modules if name.split(".")[0] == "bddseg"]:
    del sys.modules[name]
for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, HideModules())
for name in FUNCTIONS:
    delattr(os, name)
for name in SIGNALS:
    delattr(signal, name)
errors = import_all()
print(sum(name.startswith("bddseg.") for name in sys.modules))
sys.exit("\\n".join(errors) or 0)
"""


def test_every_module_is_imported_without_unix_modules() -> None:
    command = [sys.executable, "-c", IMPORT_EVERYTHING]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 80

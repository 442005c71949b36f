import subprocess
import sys


def test_an_export_loads_no_training_library() -> None:
    heavy = "{'torch', 'optuna', 'transformers', 'datasets'}"
    code = f"import sys, mixopt.export.target; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

"""Write the dashboards: `.venv/bin/python deploy/grafana/dashboards.py`, then review the diff.

The JSON beside this is what Grafana reads. A test makes it anew and compares.
"""

import json
from pathlib import Path

import dashboard_model
import dashboard_news
import dashboard_pipeline
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).with_name("dashboards")


def documents() -> dict[str, str]:
    """File name to JSON."""
    boards = {
        "news.json": dashboard_news.build(),
        "pipeline.json": dashboard_pipeline.build(),
        "model.json": dashboard_model.build(),
    }
    found = {}
    for name, board in boards.items():
        built = board.build()
        for number, panel in enumerate(built.panels or [], start=1):
            panel.id_val = number  # links to a panel name it
        found[name] = json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

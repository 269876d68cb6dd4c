"""report.py FOLDER PAGE: puts what the cases of the fault harness wrote into FOLDER into the table of PAGE."""

import json
import pathlib
import sys

BEGIN, END = "<!-- faults: begin, written by `make faults` -->", "<!-- faults: end -->"


def read_rows(folder):
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return sorted(rows, key=lambda row: (row["case"], row["test"]))


def figures(row):
    return "; ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in row["figures"].items())


def finding(row):
    if row["outcome"] == "skipped":
        return f"not run: {row['why'].removeprefix('Skipped: ')}"
    if row["outcome"] == "failed":
        return f"**failed**: {row['why']}"
    return "nothing lost, nothing twice, same bytes"


def text(row):
    """What is done; the parameters of the test tell rows of one case apart."""
    _, bracket, parameters = row["test"].partition("[")
    return row["text"] + (f" ({parameters.rstrip(']').replace('-', ', ')})" if bracket and row["case"] == 7 else "")


def table(rows):
    lines = ["| case | what is done to it | form | seconds | jobs | faults | found | figures |",
             "|---|---|---|--:|--:|--:|---|---|"]
    for row in rows:
        lines.append(f"| {row['case']} | {text(row)} | {row['form']} | {row['seconds']:.0f} | {row['runs']} | {row['faults']:,} | {finding(row)} | {figures(row)} |")
    faults, jobs = sum(row["faults"] for row in rows), sum(row["runs"] for row in rows)
    failed = sum(row["outcome"] == "failed" for row in rows)
    lines.append(f"| | **all** | | | **{jobs}** | **{faults:,}** | **{failed} cases failed** | |")
    newest = max(row["at"] for row in rows)
    return f"{newest}, `FAULTS_SEED={rows[0]['seed']}`:\n\n" + "\n".join(lines)


def main(folder, page):
    rows = read_rows(pathlib.Path(folder))
    path = pathlib.Path(page)
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")
    print(f"{page}: {len(rows)} cases, {sum(row['faults'] for row in rows):,} faults")


if __name__ == "__main__":
    main(*sys.argv[1:])

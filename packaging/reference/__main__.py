"""Write all pages that are made from the code."""

from reference.pages import PAGES, ROOT

for name, page in PAGES.items():
    (ROOT / name).parent.mkdir(exist_ok=True)
    (ROOT / name).write_text(page(), encoding="utf-8")

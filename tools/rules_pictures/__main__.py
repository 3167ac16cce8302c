"""`python -m rules_pictures FOLDER`; it draws into the current folder without one."""

import sys

from rules_pictures import draw_failures

for path in draw_failures(sys.argv[1] if len(sys.argv) > 1 else "."):
    print(path)

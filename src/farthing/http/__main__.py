"""`python -m farthing.http` prints the API's OpenAPI description: docs/openapi.json."""

import sys

from farthing.http import document

sys.stdout.write(document())

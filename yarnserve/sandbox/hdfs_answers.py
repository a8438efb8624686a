"""What the answers of the sandbox's NameNode, DataNode and HttpFS have in common."""

from __future__ import annotations

import os
from typing import Any, BinaryIO
from urllib.parse import quote

from aiohttp import web

PREFIX = "/webhdfs/v1"
#: The release whose answers are given unless another is asked for.
RELEASE = (3, 1, 4)
_PIECE = 256 * 1024


def json_answer(document: Any, status: int = 200) -> web.Response:
    """Answer with JSON, without a charset and chunked, as the real ones do."""
    response = web.json_response(document, status=status)
    response.charset = None
    response.enable_chunked_encoding()
    return response


def html_page(status: int, reason: str, path: str) -> web.Response:
    """Jetty's own page, for what never reaches the file system."""
    text = f"<html>\n<head>\n<title>Error {status} {reason}</title>\n</head>\n"
    text += f"<body><h2>HTTP ERROR {status}</h2>\n<p>Problem accessing {quote(path)}. Reason:\n"
    text += f"<pre>    {reason}</pre></p>\n</body>\n</html>\n"
    headers = {"Content-Type": "text/html;charset=iso-8859-1"}
    return web.Response(status=status, reason=reason, body=text.encode("iso-8859-1"), headers=headers)


async def stream(
    request: web.Request, blob: BinaryIO, offset: int, length: int | None, *, closing: bool = False
) -> web.StreamResponse:
    """Send at most *length* bytes of *blob* from *offset* on, all when it is None; *closing* ends the connection."""
    available = max(0, os.fstat(blob.fileno()).st_size - offset)
    left = available if length is None else min(available, length)
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    if closing:
        response.force_close()
    await response.prepare(request)
    blob.seek(offset)
    while left > 0:
        piece = blob.read(min(left, _PIECE))
        left -= len(piece)
        await response.write(piece)
    return response

"""An MCP server that listens by itself over Streamable HTTP."""

import os

from mcp.server.fastmcp import FastMCP

server = FastMCP("greeter", host="0.0.0.0", port=int(os.environ.get("PORT", "8000")), stateless_http=True)


@server.tool()
def greet(name: str) -> str:
    """Says hello."""
    return f"Hello, {name}!"


server.run(transport="streamable-http")

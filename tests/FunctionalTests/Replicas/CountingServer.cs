namespace McpCan.FunctionalTests.Replicas;

/// <summary>An MCP server that shows what is lost and what is done twice.</summary>
internal static class CountingServer
{
    /// <summary><c>count</c> counts up for a key, with progress on the way, and says how often it did; <c>peek</c> only says it. One process serves many calls at once.</summary>
    public const string Script = """
        import json, sys, threading, time
        writing, counts = threading.Lock(), {}
        def send(m):
            with writing: print(json.dumps(m), flush=True)
        def call(m):
            p, a = m["params"], m["params"]["arguments"]
            if p["name"] == "count":
                counts[a["key"]] = counts.get(a["key"], 0) + 1
                for n in range(a["steps"]):
                    time.sleep(a["pause"])
                    send({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": p["_meta"]["progressToken"], "progress": n + 1, "total": a["steps"]}})
            send({"jsonrpc": "2.0", "id": m["id"], "result": {"content": [{"type": "text", "text": str(counts.get(a["key"], 0))}]}})
        for line in sys.stdin:
            m = json.loads(line)
            if "id" not in m: continue
            if m["method"] == "tools/call": threading.Thread(target=call, args=(m,), daemon=True).start(); continue
            r = {}
            if m["method"] == "initialize": r = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "counting", "version": "1"}}
            if m["method"] == "tools/list": r = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("count", "peek")]}
            send({"jsonrpc": "2.0", "id": m["id"], "result": r})
        """;
}

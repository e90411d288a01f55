using System.Collections.Frozen;
using System.Text;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>A parameter of a tool that its calls mirror in a header: the header's own part of the name, and the path in the arguments.</summary>
sealed record ToolParameter(string Header, byte[][] Path);

/// <summary>
/// Which parameters of which tools are mirrored in <c>Mcp-Param-*</c> headers, from the server's own tools/list
/// (2026-07-28, basic/transports/streamable-http, Custom Headers from Tool Parameters). It is read once and again from
/// time to time, and before a call is refused by it.
/// </summary>
sealed class ToolHeaders(Func<byte[], CancellationToken, Task<byte[]>> ask, Func<string?, byte[]> listRequest, TimeProvider time)
{
    const int MaxPages = 50, MaxDepth = 16;
    static readonly TimeSpan Age = TimeSpan.FromMinutes(5);
    readonly Lock gate = new();
    volatile FrozenDictionary<string, ToolParameter[]>? tools;
    Task? loading;
    long loadedAt;

    /// <summary>The mirrored parameters of a tool (its name as a JSON string); false when they are not known yet.</summary>
    public bool TryGet(ReadOnlySpan<byte> tool, out IReadOnlyList<ToolParameter> parameters)
    {
        parameters = [];
        if (tools is not { } known) return false;
        if (time.GetElapsedTime(Volatile.Read(ref loadedAt)) > Age) _ = LoadAsync();
        if (known.Count > 0 && JsonText.Read(tool) is { } name && known.TryGetValue(name, out var found)) parameters = found;
        return true;
    }

    /// <summary>The headers of a tools/call of ours: its parameters as its tool wants them mirrored.</summary>
    public async ValueTask<List<KeyValuePair<string, string>>> MirrorAsync(byte[] call)
    {
        var envelope = EnvelopeReader.Read(call);
        if (!TryGet(envelope.Name.Of(call), out var parameters))
        {
            await LoadAsync();
            TryGet(envelope.Name.Of(call), out parameters);
        }
        var headers = new List<KeyValuePair<string, string>>(parameters.Count);
        foreach (var parameter in parameters)
        {
            var value = envelope.Arguments.Of(call);
            foreach (var step in parameter.Path) value = JsonEdit.Member(value, step);
            if (value.IsEmpty || value.SequenceEqual("null"u8)) continue;
            var text = value[0] == (byte)'"' ? JsonText.Read(value) : Encoding.UTF8.GetString(value);
            if (text is not null) headers.Add(new("Mcp-Param-" + parameter.Header, Links.ModernHeaders.Encode(text)));
        }
        return headers;
    }

    /// <summary>Reads the list; a server that cannot give one has no such parameters.</summary>
    public Task LoadAsync()
    {
        lock (gate)
        {
            if (loading is { IsCompleted: false }) return loading;
            return loading = Task.Run(ReadAllAsync);
        }
    }

    async Task ReadAllAsync()
    {
        var found = new Dictionary<string, ToolParameter[]>();
        try
        {
            string? cursor = null;
            for (var page = 0; page < MaxPages; page++)
            {
                var answer = await ask(listRequest(cursor), CancellationToken.None);
                var result = JsonEdit.Member(answer, "result"u8);
                Read(JsonEdit.Member(result, "tools"u8), found);
                cursor = JsonText.Read(JsonEdit.Member(result, "nextCursor"u8));
                if (cursor is null) break;
            }
        }
        catch (Sessions.ServerUnavailableException)
        {
            if (tools is not null) return; // what is known stays
        }
        tools = found.ToFrozenDictionary();
        Volatile.Write(ref loadedAt, time.GetTimestamp());
    }

    static void Read(ReadOnlySpan<byte> list, Dictionary<string, ToolParameter[]> found)
    {
        if (list is not [(byte)'[', ..] || list.IndexOf("x-mcp-header"u8) < 0) return;
        foreach (var part in EnvelopeReader.Split(list))
        {
            var tool = part.Of(list);
            if (JsonText.Read(JsonEdit.Member(tool, "name"u8)) is not { } name) continue;
            var parameters = new List<ToolParameter>();
            Collect(JsonEdit.Member(tool, "inputSchema"u8), [], parameters);
            if (parameters.Count > 0) found[name] = [.. parameters];
        }
    }

    // An annotation counts only where a chain of `properties` leads to it (Schema Extension).
    static void Collect(ReadOnlySpan<byte> schema, byte[][] path, List<ToolParameter> parameters)
    {
        if (path.Length > MaxDepth) return;
        var properties = JsonEdit.Member(schema, "properties"u8);
        if (properties.IsEmpty || properties.IndexOf("x-mcp-header"u8) < 0) return;
        foreach (var (name, at) in JsonEdit.Members(properties))
        {
            byte[][] here = [.. path, Encoding.UTF8.GetBytes(name)];
            var property = at.Of(properties);
            if (JsonText.Read(JsonEdit.Member(property, "x-mcp-header"u8)) is { Length: > 0 } header) parameters.Add(new(header, here));
            Collect(property, here, parameters);
        }
    }
}

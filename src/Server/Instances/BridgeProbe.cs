using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Gateway.Sleep;
using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>Whether a server answers as an MCP server must, and what it said.</summary>
/// <param name="Ok">Whether <c>tools/list</c> was answered.</param>
/// <param name="Phase">Where it ended: <c>initialize</c> or <c>tools</c>.</param>
/// <param name="Reason">Why it is not ok, one sentence.</param>
/// <param name="ToolCount">Number of tools.</param>
/// <param name="ServerInfo">Server's name and version.</param>
/// <param name="ProtocolVersion">Revision of the protocol that the server speaks.</param>
/// <param name="DurationMs">Time from the first request to the last answer.</param>
public sealed record ProbeResult(bool Ok, string Phase, string? Reason, int? ToolCount, string? ServerInfo, string? ProtocolVersion, double DurationMs);

/// <summary>What a probe is to tell besides its result.</summary>
internal sealed class ProbeNotes
{
    /// <summary>Whether all definitions are to be read, too.</summary>
    public bool WantsDefinitions { get; init; }
    /// <summary>The result of initialize and those of all lists, when they were wanted and could be read.</summary>
    public JsonObject? Definitions { get; set; }
    /// <summary>Time until initialize was answered.</summary>
    public double? InitializeMs { get; set; }
    /// <summary>The tools.</summary>
    public IReadOnlyList<FoundTool> Tools { get; set; } = [];
}

/// <summary>Speaks to a workload's bridge as a client would: initialize, tools/list, end of the session.</summary>
internal sealed class BridgeProbe(TimeProvider time)
{
    private const int MostPages = 20;
    private const long MostBytes = 32 << 20;
    private static readonly TimeSpan ToolsTime = TimeSpan.FromSeconds(30);

    public async Task<ProbeResult> RunAsync(string address, int startSeconds, Func<string, Task>? phase, ProbeNotes? notes, CancellationToken cancellationToken)
    {
        using var http = Client(address);
        var start = time.GetTimestamp();
        var at = "initialize";
        string? session = null;
        try
        {
            if (phase is not null) await phase(at);
            // The bridge has the same limit and knows better why; ours is for a bridge that hangs.
            using var limit = Limit(TimeSpan.FromSeconds(startSeconds + 5), cancellationToken);
            var (hello, id) = await CallAsync(http, null, null, 1, "initialize", InitializeParams, limit.Token);
            session = id;
            var version = Text(hello, "protocolVersion");
            await NotifyAsync(http, session, version, limit.Token);
            notes?.InitializeMs = Elapsed();
            at = "tools";
            if (phase is not null) await phase(at);
            limit.CancelAfter(ToolsTime);
            // A server without tools is a server, too: it has prompts or resources only.
            var list = await ListAsync(http, session, version, "tools/list", limit.Token);
            List<FoundTool> found = [.. Items(list ?? [], "tools").Select(t => new FoundTool(Text(t, "name") ?? "", Text(t, "description")) { Definition = t })];
            notes?.Tools = found;
            if (notes is { WantsDefinitions: true }) notes.Definitions = await DefinitionsAsync(http, session, version, hello, list, limit.Token);
            return new ProbeResult(true, at, null, found.Count, Info(hello), version, Elapsed());
        }
        catch (RpcException e)
        {
            return Failed(Sentence(e.Message));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Failed(at == "tools"
                ? $"The server did not answer tools/list within {ToolsTime.TotalSeconds:0} s."
                : $"The server did not answer initialize within {startSeconds} s.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or InvalidOperationException)
        {
            return Failed($"The bridge gave no usable answer to {(at == "tools" ? "tools/list" : "initialize")}: {e.Message}");
        }
        finally
        {
            if (session is not null) await EndAsync(http, session);
        }

        ProbeResult Failed(string reason) => new(false, at, reason, null, null, null, Elapsed());
        double Elapsed() => Math.Round(time.GetElapsedTime(start).TotalMilliseconds, 1);
    }

    /// <summary>The pages of a list; null when the server does not have the method.</summary>
    private static async Task<List<JsonElement>?> ListAsync(HttpClient http, string? session, string? version, string method, CancellationToken cancellationToken)
    {
        var pages = new List<JsonElement>();
        string? cursor = null;
        for (var page = 0; page < MostPages; page++)
        {
            try
            {
                object parameters = cursor is null ? new { } : new { cursor };
                var (result, _) = await CallAsync(http, session, version, 2 + page, method, parameters, cancellationToken);
                pages.Add(result);
                cursor = Text(result, "nextCursor");
            }
            catch (RpcException e) when (e.Code == Protocol.McpErrors.MethodNotFound)
            {
                return null;
            }
            if (string.IsNullOrEmpty(cursor)) break;
        }
        return pages;
    }

    private static IEnumerable<JsonElement> Items(List<JsonElement> pages, string member) => pages.SelectMany(page =>
        page.ValueKind == JsonValueKind.Object && page.TryGetProperty(member, out var items) && items.ValueKind == JsonValueKind.Array ? items.EnumerateArray() : default);

    /// <summary>What the server says of itself, as far as it declares to have it; null when it could not be read.</summary>
    private static async Task<JsonObject?> DefinitionsAsync(HttpClient http, string? session, string? version, JsonElement hello, List<JsonElement>? tools, CancellationToken cancellationToken)
    {
        try
        {
            var results = new JsonObject();
            foreach (var (method, member) in PinnedDefinitions.Lists)
            {
                var pages = method == "tools/list" ? tools
                    : Declares(hello, method[..method.IndexOf('/', StringComparison.Ordinal)]) ? await ListAsync(http, session, version, method, cancellationToken) : null;
                if (pages is null) continue;
                var list = JsonObject.Create(pages[0])!;
                list.Remove("nextCursor");
                list[member] = new JsonArray([.. Items(pages, member).Select(Node)]);
                results[method] = list;
            }
            return new JsonObject { ["hello"] = JsonObject.Create(hello), ["results"] = results };
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or ArgumentException or JsonException or HttpRequestException or IOException || e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // The server is well all the same; it is woken for its lists.
            return null;
        }
    }

    private static JsonNode? Node(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => JsonObject.Create(element),
        JsonValueKind.Array => JsonArray.Create(element),
        _ => JsonValue.Create(element),
    };

    private static bool Declares(JsonElement hello, string capability) =>
        hello.ValueKind == JsonValueKind.Object && hello.TryGetProperty("capabilities", out var capabilities) && capabilities.ValueKind == JsonValueKind.Object && capabilities.TryGetProperty(capability, out _);

    private static object InitializeParams => new
    {
        protocolVersion = "2025-11-25",
        capabilities = new { },
        clientInfo = new { name = "mcpcan-probe", version = Hosting.Version.Text },
    };

    private static async Task<(JsonElement Result, string? Session)> CallAsync(
        HttpClient http, string? session, string? version, int id, string method, object parameters, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, session, version, JsonContent.Create(new { jsonrpc = "2.0", id, method, @params = parameters }));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        var answer = await AnswerAsync(response, id, cancellationToken);
        if (answer.TryGetProperty("error", out var error))
            throw new RpcException(error.TryGetProperty("code", out var code) && code.TryGetInt32(out var number) ? number : 0, Text(error, "message") ?? "The server answered with an error.");
        if (!response.IsSuccessStatusCode || !answer.TryGetProperty("result", out var result)) throw new InvalidOperationException($"HTTP {(int)response.StatusCode} without a result.");
        return (result, response.Headers.TryGetValues("Mcp-Session-Id", out var ids) ? ids.FirstOrDefault() : null);
    }

    private static async Task<JsonElement> AnswerAsync(HttpResponseMessage response, int id, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentType?.MediaType != "text/event-stream")
        {
            await response.Content.LoadIntoBufferAsync(MostBytes, cancellationToken);
            var answer = await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
            return answer.ValueKind == JsonValueKind.Object ? answer : throw new InvalidOperationException($"HTTP {(int)response.StatusCode}.");
        }
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data.Length == 0) continue;
            var message = JsonSerializer.Deserialize<JsonElement>(item.Data);
            // Notifications and requests of the server may come before.
            if (message.ValueKind == JsonValueKind.Object && !message.TryGetProperty("method", out _) && message.TryGetProperty("id", out var its) && its.ValueKind == JsonValueKind.Number && its.GetInt32() == id) return message;
        }
        throw new InvalidOperationException("The stream ended before the answer.");
    }

    private static async Task NotifyAsync(HttpClient http, string? session, string? version, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, session, version, JsonContent.Create(new { jsonrpc = "2.0", method = "notifications/initialized" }));
        using var response = await http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    private static async Task EndAsync(HttpClient http, string session)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            using var request = Request(HttpMethod.Delete, session, null, null);
            using var response = await http.SendAsync(request, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // It ends by its idle limit.
        }
    }

    private static HttpRequestMessage Request(HttpMethod method, string? session, string? version, HttpContent? content)
    {
        var request = new HttpRequestMessage(method, "") { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        request.Headers.Add("Mcpcan-Principal", "platform:probe");
        if (session is not null) request.Headers.Add("Mcp-Session-Id", session);
        if (version is not null) request.Headers.TryAddWithoutValidation("MCP-Protocol-Version", version);
        return request;
    }

    private static HttpClient Client(string address)
    {
        const string Unix = "unix:";
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        if (!address.StartsWith(Unix, StringComparison.Ordinal))
            return new HttpClient(handler) { BaseAddress = new Uri(address.TrimEnd('/') + "/mcp"), Timeout = Timeout.InfiniteTimeSpan };
        handler.ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address[Unix.Length..]), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        return new HttpClient(handler) { BaseAddress = new Uri("http://bridge/mcp"), Timeout = Timeout.InfiniteTimeSpan };
    }

    private CancellationTokenSource Limit(TimeSpan after, CancellationToken cancellationToken)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(after);
        return limit;
    }

    private static string? Info(JsonElement hello) =>
        hello.ValueKind == JsonValueKind.Object && hello.TryGetProperty("serverInfo", out var info) && info.ValueKind == JsonValueKind.Object
            ? Cut($"{Text(info, "name")} {Text(info, "version")}".Trim(), 200) : null;

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Sentence(string text)
    {
        text = Cut(text.Trim(), 500);
        return text.Length == 0 ? "The server answered with an error." : char.ToUpperInvariant(text[0]) + text[1..] + (text[^1] is '.' or '!' or '?' or '…' ? "" : ".");
    }

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..most] + "…";

    private sealed class RpcException(int code, string message) : Exception(message)
    {
        public int Code => code;
    }
}

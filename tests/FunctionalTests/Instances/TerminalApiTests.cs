using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Terminals over the API.</summary>
public abstract class TerminalApiTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Command_IsTyped_Answered_AndNotedInTheEvents()
    {
        var id = await RunningAsync();
        using var socket = await OpenAsync(app.Operator, id, "?columns=91&rows=33");
        await SayAsync(socket, "stty size; echo two-$((1+1))\n");
        var (said, _) = await HearAsync(socket, "two-2");
        Assert.Contains("33 91", said, StringComparison.Ordinal);

        await socket.SendAsync("""{"resize":{"columns":120,"rows":40}}"""u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        await SayAsync(socket, "stty size\n");
        await HearAsync(socket, "40 120");
        await SayAsync(socket, "exit 7\n");
        var (_, end) = await HearAsync(socket, null);

        Assert.Equal("""{"exit":7}""", end);
        await Eventually.HoldsAsync(async () => (await EventsAsync(id)).Exists(e => e.Kind == "terminal-closed"));
        var events = await EventsAsync(id);
        Assert.Contains(events, e => e is { Kind: "terminal-opened", Actor: "key:test operator", Detail: "shell" });
        Assert.Contains(events, e => e.Kind == "terminal-closed" && e.Actor == "key:test operator" && e.Detail.StartsWith("exit code 7, after ", StringComparison.Ordinal));
        await DeleteAsync(id);
    }

    [Fact]
    public async Task Command_IsRunAsAVector_AndEndsWithTheBrowser()
    {
        var id = await RunningAsync();
        using (var socket = await OpenAsync(app.Operator, id, "?command=/bin/sh&command=-c&command=" + Uri.EscapeDataString("echo $0 $1; exec sleep 600") + "&command=a;b&command=c")) await HearAsync(socket, "a;b c");

        await Eventually.HoldsAsync(async () => (await EventsAsync(id)).Exists(e => e.Kind == "terminal-closed" && e.Detail.StartsWith("closed", StringComparison.Ordinal)));
        await DeleteAsync(id);
    }

    [Fact]
    public async Task Viewers_Strangers_AndOtherOrigins_AreRefused()
    {
        var id = await RunningAsync();

        Assert.Equal(HttpStatusCode.Forbidden, await RefusedAsync(app.Viewer, id));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefusedAsync(app.Nobody, id));
        Assert.Equal(HttpStatusCode.Forbidden, await RefusedAsync(app.Operator, id, "https://evil.example"));
        Assert.Equal(HttpStatusCode.BadRequest, await RefusedAsync(app.Operator, id, query: "?columns=0"));
        await (await app.Operator.GetAsync($"api/v1/instances/{id}/terminal", Cancel)).ProblemAsync(HttpStatusCode.BadRequest, "websocket-needed");
        Assert.DoesNotContain(await EventsAsync(id), e => e.Kind.StartsWith("terminal", StringComparison.Ordinal));
        await app.Operator.PostAsync(new Uri($"api/v1/instances/{id}/stop", UriKind.Relative), null, Cancel);
        await Eventually.HoldsAsync(async () => await StateAsync(id) == "Stopped");
        Assert.Equal(HttpStatusCode.Conflict, await RefusedAsync(app.Operator, id));
        await DeleteAsync(id);
    }

    [Fact]
    public async Task FifthOfOnePerson_IsRefused_UntilOneIsClosed()
    {
        var id = await RunningAsync();
        var client = await app.NewClientAsync(Roles.Operator);
        var open = new List<ClientWebSocket>();
        for (var i = 0; i < 4; i++) open.Add(await OpenAsync(client, id));
        Assert.Equal(HttpStatusCode.TooManyRequests, await RefusedAsync(client, id));

        foreach (var socket in open) socket.Dispose();

        await Eventually.HoldsAsync(async () => (await EventsAsync(id)).Count(e => e.Kind == "terminal-closed") == 4);
        await DeleteAsync(id);
    }

    [Fact]
    public async Task Terminal_EndsWithTheSession()
    {
        var id = await RunningAsync();
        var name = $"u{Guid.NewGuid():N}"[..16];
        var user = await app.Admin.PostAsJsonAsync("api/v1/users", new { userName = name, password = TestApp.Password, role = Roles.Operator }, Cancel);
        var userId = (await user.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString();
        using var browser = new CookieBrowser(app.Url);
        await TestApp.PostFormAsync(browser.Client, "auth/login", ("userName", name), ("password", TestApp.Password));
        using var socket = await browser.OpenAsync(id);

        (await app.Admin.PatchAsJsonAsync($"api/v1/users/{userId}", new { role = Roles.Viewer }, Cancel)).EnsureSuccessStatusCode();

        var (_, end) = await HearAsync(socket, null);
        Assert.Equal("""{"end":"revoked"}""", end);
        await DeleteAsync(id);
    }

    private sealed class CookieBrowser : IDisposable
    {
        private readonly CookieContainer _cookies = new();
        private readonly string _url;

        public CookieBrowser(string url)
        {
            _url = url;
            Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = _cookies }) { BaseAddress = new Uri(url + "/") };
        }

        public HttpClient Client { get; }

        public async Task<ClientWebSocket> OpenAsync(string id)
        {
            var socket = new ClientWebSocket();
            socket.Options.Cookies = _cookies;
            socket.Options.SetRequestHeader("Origin", _url);
            await socket.ConnectAsync(Address(_url, id, ""), Cancel);
            return socket;
        }

        public void Dispose() => Client.Dispose();
    }

    private static Uri Address(string url, string id, string query) => new(url.Replace("http:", "ws:", StringComparison.Ordinal) + $"/api/v1/instances/{id}/terminal{query}");

    private async Task<ClientWebSocket> OpenAsync(HttpClient client, string id, string query = "", string? origin = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (client.DefaultRequestHeaders.Authorization is { } authorization) socket.Options.SetRequestHeader("Authorization", authorization.ToString());
        if (origin is not null) socket.Options.SetRequestHeader("Origin", origin);
        try
        {
            await socket.ConnectAsync(Address(app.Url, id, query), Cancel);
        }
        catch (WebSocketException e)
        {
            throw new HttpRequestException("refused", e, socket.HttpStatusCode);
        }
        return socket;
    }

    private async Task<HttpStatusCode?> RefusedAsync(HttpClient client, string id, string? origin = null, string query = "") =>
        (await Assert.ThrowsAsync<HttpRequestException>(() => OpenAsync(client, id, query, origin))).StatusCode;

    private static Task SayAsync(ClientWebSocket socket, string text) => socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Binary, true, Cancel);

    /// <summary>Reads until the text came, or without one until the end; the result is all output and the last text message.</summary>
    private static async Task<(string Said, string? End)> HearAsync(ClientWebSocket socket, string? expected)
    {
        var said = new StringBuilder();
        string? end = null;
        var buffer = new byte[16384];
        while (expected is null || !said.ToString().Contains(expected, StringComparison.Ordinal))
        {
            var message = await socket.ReceiveAsync(buffer, Cancel).WaitAsync(Eventually.Patience, Cancel);
            var text = Encoding.UTF8.GetString(buffer, 0, message.Count);
            if (message.MessageType == WebSocketMessageType.Binary) said.Append(text);
            else if (message.MessageType == WebSocketMessageType.Text) end = text;
            else break;
        }
        Assert.True(expected is null || said.ToString().Contains(expected, StringComparison.Ordinal), said.ToString());
        return (said.ToString(), end);
    }

    private async Task<string> RunningAsync()
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = $"t{Guid.NewGuid():N}"[..16], source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, Cancel);
        var id = (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("id").GetString()!;
        await Eventually.HoldsAsync(async () => await StateAsync(id) == "Running");
        return id;
    }

    private async Task<string?> StateAsync(string id) =>
        (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString();

    private async Task<List<(string Kind, string? Actor, string Detail)>> EventsAsync(string id) =>
        [.. (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}/events?limit=100", Cancel)).GetProperty("items").EnumerateArray()
            .Select(e => (e.GetProperty("kind").GetString()!, Text(e, "actor"), Text(e, "detail") ?? ""))];

    private static string? Text(JsonElement item, string name) => item.TryGetProperty(name, out var value) ? value.GetString() : null;

    private async Task DeleteAsync(string id)
    {
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
    }
}

public sealed class TerminalApiTestsOnSqlite(SqliteApp app) : TerminalApiTests<SqliteApp>(app);

public sealed class TerminalApiTestsOnPostgres(PostgresApp app) : TerminalApiTests<PostgresApp>(app);

using System.Collections.Concurrent;
using System.Text;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace McpCan.UnitTests.Protocol;

/// <summary>A server on a real port that each test writes, and links to it.</summary>
internal sealed class LinkBed : IAsyncDisposable, IServerMessages
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false });
    private WebApplication _app = null!;

    public RequestDelegate Server { get; set; } = context => Task.CompletedTask;
    public ConcurrentQueue<string> Seen { get; } = new();
    public BlockingCollection<(string Message, PendingCall? Related)> Messages { get; } = [];
    public TaskCompletionSource<string> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public Uri Url { get; private set; } = null!;

    public static async Task<LinkBed> StartAsync(RequestDelegate server)
    {
        var bed = new LinkBed { Server = server };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        bed._app = builder.Build();
        bed._app.Run(async context =>
        {
            var headers = context.Request.Headers;
            bed.Seen.Enqueue($"{context.Request.Method} {context.Request.Path} session={headers["Mcp-Session-Id"]} version={headers["MCP-Protocol-Version"]} last={headers["Last-Event-ID"]}");
            await bed.Server(context);
        });
        await bed._app.StartAsync();
        bed.Url = new Uri(bed._app.Urls.First() + "/mcp");
        return bed;
    }

    public RemoteServer Remote => new(_http, Url, [new("Authorization", "Bearer up")]) { RequestTimeout = TimeSpan.FromSeconds(10), StreamIdleTimeout = TimeSpan.FromSeconds(10) };

    public StreamableHttpLink Streamable(bool modern = false, Func<RemoteServer, RemoteServer>? change = null)
    {
        var link = (change?.Invoke(Remote) ?? Remote).OpenStreamable(modern);
        link.Adopt(this);
        return link;
    }

    /// <summary>Asks and gives the whole answer.</summary>
    public static async Task<string> AskAsync(ServerLink link, string message)
        => Encoding.UTF8.GetString(await AwaitedCall.AskAsync(link, Encoding.UTF8.GetBytes(message), TestContext.Current.CancellationToken));

    public static async Task SayAsync(ServerLink link, string message) => await link.SendAsync(new Splice(Encoding.UTF8.GetBytes(message)));

    public (string Message, PendingCall? Related) Next()
        => Messages.TryTake(out var next, TimeSpan.FromSeconds(20)) ? next : throw new TimeoutException("The server sent nothing.");

    public ValueTask OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
    {
        Messages.Add((Encoding.UTF8.GetString(message), related));
        return default;
    }

    public void OnLinkEnded(ServerLink link, string reason) => Ended.TrySetResult(reason);

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _http.Dispose();
        Messages.Dispose();
    }
}

/// <summary>Short ways to write a server.</summary>
internal static class FakeServer
{
    public static async Task<string> BodyAsync(this HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, leaveOpen: true);
        return await reader.ReadToEndAsync();
    }

    public static async Task JsonAsync(this HttpContext context, string json, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json);
    }

    public static async Task EventsAsync(this HttpContext context, string events)
    {
        context.Response.ContentType ??= "text/event-stream";
        await context.Response.WriteAsync(events);
        await context.Response.Body.FlushAsync();
    }

    public static Task ForeverAsync(this HttpContext context) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);

    public static string IdOf(string message)
    {
        using var json = System.Text.Json.JsonDocument.Parse(message);
        return json.RootElement.TryGetProperty("id", out var id) ? id.GetRawText() : "";
    }

    public static string Result(string message, string result = "{}") => $$"""{"jsonrpc":"2.0","id":{{IdOf(message)}},"result":{{result}}}""";
}

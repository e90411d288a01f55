using System.Collections.Concurrent;
using System.Net;
using McpCan.Gateway;
using McpCan.Gateway.Sleep;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace McpCan.UnitTests.Gateway;

/// <summary>A real gateway on a port before a real server on a Unix domain socket; each test says what that server does.</summary>
internal sealed class GatewayBed : IRouteSource, IWaker, IPinnedDefinitions, ITokenVerifier, IAccessLog, IAsyncDisposable
{
    public const string Good = "mct_good";
    public const string Other = "mct_other";
    private const string SessionHeader = "Mcp-Session-Id";

    private readonly string _folder = Directory.CreateTempSubdirectory("mcpcan-gw-").FullName;
    private readonly ConcurrentDictionary<string, TokenVerdict> _tokens = new()
    {
        [Good] = new("t-good", "token:t-good", TokenRefusal.None),
        [Other] = new("t-other", "token:t-other", TokenRefusal.None),
        ["mct_expired"] = TokenVerdict.Refused(TokenRefusal.Expired),
        ["mct_disabled"] = TokenVerdict.Refused(TokenRefusal.Disabled),
        ["mct_foreign"] = TokenVerdict.Refused(TokenRefusal.Foreign),
    };
    private WebApplication _upstream = null!;
    private WebApplication _gateway = null!;

    public ConcurrentDictionary<string, GatewayRoute> Routes { get; } = new();
    public BlockingCollection<AccessRecord> Records { get; } = [];
    public ConcurrentQueue<string> Used { get; } = new();
    /// <summary>What the last requests looked like to the server.</summary>
    public ConcurrentQueue<Seen> SeenUpstream { get; } = new();
    public RequestDelegate Server { get; set; } = AnswerLikeABridge;
    public HttpClient Client { get; private set; } = null!;
    public Uri Address { get; private set; } = null!;
    public IServiceProvider Services => _gateway.Services;

    public sealed record Seen(string Method, string PathAndQuery, Dictionary<string, string> Headers)
    {
        public override string ToString() => $"{Method} {PathAndQuery}\n{string.Join('\n', Headers.Select(header => $"{header.Key}: {header.Value}"))}";
    }

    public static async Task<GatewayBed> StartAsync(Action<GatewayOptions>? configure = null, string? pathBase = null)
    {
        var bed = new GatewayBed();
        bed._upstream = await bed.StartServerAsync();
        bed.SetRoute("i-1", "alpha");
        bed.SetRoute("i-2", "beta");

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton<IRouteSource>(bed).AddSingleton<IWaker>(bed).AddSingleton<IPinnedDefinitions>(bed).AddSingleton<ITokenVerifier>(bed).AddSingleton<IAccessLog>(bed);
        builder.Services.AddSingleton<IDataProtectionProvider>(new EphemeralDataProtectionProvider());
        builder.Services.AddMcpGateway(options =>
        {
            options.TokenRecheck = TimeSpan.FromMilliseconds(100);
            configure?.Invoke(options);
        });
        bed._gateway = builder.Build();
        if (pathBase is not null) bed._gateway.UsePathBase(pathBase);
        bed._gateway.UseRouting();
        bed._gateway.MapMcpGateway();
        await bed._gateway.StartAsync();
        bed.Address = new Uri(bed._gateway.Urls.First());
        bed.Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = bed.Address };
        return bed;
    }

    /// <summary>The server's other address.</summary>
    public string HttpAddress => _upstream.Urls.Single(url => url.StartsWith("http://127.", StringComparison.Ordinal));

    public string SocketPath => Path.Combine(_folder, "bridge.sock");

    public Task<PinnedDefinitions?> FindAsync(string instanceId, CancellationToken cancellationToken) => Task.FromResult<PinnedDefinitions?>(null);

    public Task<GatewayRoute?> WakeAsync(string instanceId, CancellationToken cancellationToken) => Task.FromResult(Routes.GetValueOrDefault(instanceId));

    public void SetRoute(string id, string slug, Func<GatewayRoute, GatewayRoute>? change = null)
    {
        var route = new GatewayRoute { InstanceId = id, Slug = slug, Name = "Server " + slug, Upstream = new("unix:" + SocketPath, 1) };
        route = change?.Invoke(route) ?? route;
        (Routes[id], Routes[slug]) = (route, route);
    }

    public void SetPolicy(AccessPolicy? policy, string token = Good) => SetToken(token, new(token.Replace("mct_", "t-", StringComparison.Ordinal), "token:" + token, TokenRefusal.None, policy));

    public void SetToken(string token, TokenVerdict verdict) => _tokens[token] = verdict;

    public GatewayRoute? Find(string slugOrId) => Routes.GetValueOrDefault(slugOrId);

    public TokenVerdict Verify(string token, string instanceId, IPAddress? client) =>
        _tokens.GetValueOrDefault(token, TokenVerdict.Refused(TokenRefusal.Unknown)) is var verdict && verdict.Policy?.OpenTo(client) == false
            ? TokenVerdict.Refused(TokenRefusal.Address)
            : verdict;

    void ITokenVerifier.Used(string tokenId, string? clientName, string? address) => Used.Enqueue($"{tokenId} {clientName} {address}");

    public void Write(AccessRecord record) => Records.Add(record);

    public AccessRecord NextRecord() =>
        Records.TryTake(out var record, TimeSpan.FromSeconds(20)) ? record : throw new TimeoutException("No access record was written.");

    public HttpRequestMessage Post(string path, string body, string? token = Good, string? session = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")) };
        request.Headers.Add("Accept", "application/json, text/event-stream");
        if (token is not null) request.Headers.Add("Authorization", "Bearer " + token);
        if (session is not null) request.Headers.Add(SessionHeader, session);
        return request;
    }

    public HttpRequestMessage Get(string path, string? token = Good, string? session = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("Accept", "text/event-stream");
        if (token is not null) request.Headers.Add("Authorization", "Bearer " + token);
        if (session is not null) request.Headers.Add(SessionHeader, session);
        return request;
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) =>
        Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

    /// <summary>Opens a session and gives the id that the client sees.</summary>
    public async Task<string> InitializeAsync(string path = "/mcp-gateway/alpha/mcp", string token = Good)
    {
        using var response = await SendAsync(Post(path, """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"tester","version":"1.2"}}}""", token));
        response.EnsureSuccessStatusCode();
        await response.Content.ReadAsStringAsync();
        NextRecord();
        return response.Headers.GetValues(SessionHeader).Single();
    }

    public static async Task AnswerLikeABridge(HttpContext context)
    {
        if (context.Request.Path == "/sse")
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("event: endpoint\ndata: message?sessionId=bridge-sse-1\n\n: hello\n\n");
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        if (HttpMethods.IsGet(context.Request.Method))
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (context.Request.Path == "/message")
        {
            context.Response.StatusCode = 202;
            return;
        }
        if (!context.Request.Headers.ContainsKey(SessionHeader)) context.Response.Headers[SessionHeader] = "bridge-session-1";
        context.Response.ContentType = "application/json";
        var answer = """{"jsonrpc":"2.0","id":0,"result":{}}"""u8.ToArray();
        context.Response.ContentLength = answer.Length;
        await context.Response.Body.WriteAsync(answer);
    }

    public Task StopGatewayAsync() => _gateway.StopAsync();

    private async Task<WebApplication> StartServerAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.ListenUnixSocket(SocketPath);
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        app.Run(async context =>
        {
            SeenUpstream.Enqueue(new(context.Request.Method, context.Request.Path + context.Request.QueryString,
                context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
            await Server(context);
        });
        await app.StartAsync();
        return app;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _gateway.StopAsync(new CancellationTokenSource(TimeSpan.FromSeconds(5)).Token);
        await _gateway.DisposeAsync();
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(1));
        await _upstream.StopAsync(now.Token);
        await _upstream.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Records.Dispose();
    }
}

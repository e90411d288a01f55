using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway;

/// <summary>One HTTP client for each run of a workload. It goes when nobody used it for a while: routes come and go, sockets do not pile up.</summary>
internal sealed class UpstreamPool(IOptions<GatewayOptions> options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(2);
    private readonly ConcurrentDictionary<GatewayUpstream, UpstreamClient> _clients = new();

    /// <summary>The client of an upstream, entered: <see cref="UpstreamClient.Leave"/> when done.</summary>
    public UpstreamClient Enter(GatewayUpstream upstream)
    {
        while (true)
        {
            var client = _clients.GetOrAdd(upstream, static (key, pool) => pool.Create(key), this);
            if (client.TryEnter()) return client;
            _clients.TryRemove(new(upstream, client));
        }
    }

    /// <summary>Closes the clients that were not used for two minutes.</summary>
    public void CloseIdle()
    {
        foreach (var (key, client) in _clients)
        {
            if (client.TryClose(IdleLimit)) _clients.TryRemove(new(key, client));
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values) client.Dispose();
        _clients.Clear();
    }

    private UpstreamClient Create(GatewayUpstream upstream) => new(upstream, options.Value.ConnectTimeout, time);
}

/// <summary>Where an exchange is sent.</summary>
internal interface IUpstream
{
    Uri Mcp { get; }
    Uri Sse { get; }
    /// <summary>The address for the messages of an HTTP+SSE session.</summary>
    Uri Message(string session);
    /// <summary>What a sealed session keeps of an <c>endpoint</c> event's address; null when the address is none of the server's.</summary>
    string? SessionIn(string address);
    /// <summary>The run that sessions are sealed to.</summary>
    long Generation { get; }
    /// <summary>A server that is not ours: its answers are checked and limited.</summary>
    Remote.RemoteTarget? Remote { get; }
    /// <summary>Adds what only this server is told.</summary>
    void Prepare(GatewayExchange exchange, HttpRequestMessage request);
    Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken);
    /// <summary>Whether something still listens there.</summary>
    Task<bool> IsListeningAsync();
    /// <summary>The exchange is over.</summary>
    void Leave();
}

/// <summary>The HTTP client of one upstream: a Unix domain socket or a plain HTTP address.</summary>
internal sealed class UpstreamClient : IUpstream, IDisposable
{
    private const int Closed = int.MinValue;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _invoker;
    private readonly EndPoint _endPoint;
    private readonly string _prefix;
    private long _lastUsed;
    private int _users;

    public UpstreamClient(GatewayUpstream upstream, TimeSpan connectTimeout, TimeProvider time)
    {
        var address = upstream.Address;
        Generation = upstream.Generation;
        (_time, _lastUsed) = (time, time.GetTimestamp());
        if (address.StartsWith("unix:", StringComparison.Ordinal))
        {
            _endPoint = new UnixDomainSocketEndPoint(address["unix:".Length..]);
            _prefix = "http://localhost";
        }
        else
        {
            var uri = new Uri(address);
            _endPoint = IPAddress.TryParse(uri.Host, out var ip) ? new IPEndPoint(ip, uri.Port) : new DnsEndPoint(uri.Host, uri.Port);
            _prefix = address.TrimEnd('/');
        }
        Mcp = new Uri(_prefix + "/mcp");
        Sse = new Uri(_prefix + "/sse");
        _invoker = new HttpMessageInvoker(new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellationToken) => ConnectAsync(cancellationToken),
            ConnectTimeout = connectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null, // written by the handler itself
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60), // below Kestrel's 130 s: we close first, so no request meets a closing connection
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
            ResponseHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
        });
    }

    /// <summary>For links of our own to the same place.</summary>
    public HttpMessageInvoker Http => _invoker;

    public Uri Mcp { get; }
    public Uri Sse { get; }
    public long Generation { get; }
    public Remote.RemoteTarget? Remote => null;
    public string? SessionIn(string address) => EndpointEvent.SessionIn(address);
    public void Prepare(GatewayExchange exchange, HttpRequestMessage request) => request.Headers.TryAddWithoutValidation(HeaderRules.Principal, exchange.Principal);
    public Uri Message(string session) => new($"{_prefix}/message?sessionId={Uri.EscapeDataString(session)}");

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _invoker.SendAsync(request, cancellationToken);

    /// <summary>Whether something still listens there.</summary>
    public async Task<bool> IsListeningAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1), _time);
        try
        {
            await using var stream = await ConnectAsync(limit.Token);
            return true;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return false;
        }
    }

    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _users) > 0) return true;
        Interlocked.Decrement(ref _users);
        return false;
    }

    public void Leave()
    {
        Volatile.Write(ref _lastUsed, _time.GetTimestamp());
        Interlocked.Decrement(ref _users);
    }

    public bool TryClose(TimeSpan idle)
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lastUsed)) < idle) return false;
        if (Interlocked.CompareExchange(ref _users, Closed, 0) != 0) return false;
        Dispose();
        return true;
    }

    public void Dispose() => _invoker.Dispose();

    private async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        var socket = _endPoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(_endPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

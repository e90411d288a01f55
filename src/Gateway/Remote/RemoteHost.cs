using McpCan.Protocol.Links;
using McpCan.Protocol.Sessions;

namespace McpCan.Gateway.Remote;

/// <summary>
/// One remote server as it is configured now: its HTTP client, what it was found to speak, and the engine for clients that speak something
/// else. A change of the settings makes another one.
/// </summary>
internal sealed class RemoteHost : IDisposable
{
    private const int MostSessions = 1000;

    private readonly Lock _gate = new();
    private readonly HttpMessageInvoker _http;
    private readonly TimeProvider _time;
    private HostedServer? _engine;
    private long _lastUsed;
    private bool _disposed;

    public RemoteHost(GatewayRemote remote, EgressRules egress, GatewayOptions options, TimeProvider time)
    {
        (Remote, _time) = (remote, time);
        _http = RemoteHttp.Create(remote, egress, options);
        Server = RemoteHttp.Server(remote, _http, time);
        Eras = new(Server, remote.Transport == RemoteTransport.Auto, remote.Transport == RemoteTransport.Sse, time);
        Touch();
    }

    public GatewayRemote Remote { get; }
    public RemoteServer Server { get; }
    public RemoteEras Eras { get; }

    public void Touch() => Volatile.Write(ref _lastUsed, _time.GetTimestamp());

    /// <summary>Whether nothing went through it for a while.</summary>
    public bool IsIdle(TimeSpan limit)
    {
        lock (_gate) return _engine is not { IsUsed: true } && _time.GetElapsedTime(Volatile.Read(ref _lastUsed)) > limit;
    }

    // ---- the engine

    /// <summary>The engine for clients that speak something else than the server.</summary>
    public HostedServer Engine
    {
        get
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _engine ??= new(Eras, Eras, new SessionOptions { StartLimit = Remote.RequestTimeout + TimeSpan.FromSeconds(5) }, MostSessions, _time);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
        }
        _engine?.Dispose();
        Eras.Dispose();
        _http.Dispose();
    }
}

using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Links;

/// <summary>
/// An HTTP MCP server as the engine's server: what it speaks is found out and remembered; sessions of clients get sessions of their own
/// there, modern calls of one principal share one.
/// </summary>
/// <param name="server">Where it is.</param>
/// <param name="isAuto">Whether the transport is found out; else <paramref name="isSse"/> says it.</param>
/// <param name="isSse">HTTP+SSE (2024-11-05) rather than Streamable HTTP.</param>
/// <param name="time">The clock.</param>
public sealed class RemoteEras(RemoteServer server, bool isAuto, bool isSse, TimeProvider time) : IServerSource, IServerEras, IDisposable
{
    private const int MostPrincipals = 200;
    private static readonly TimeSpan VerdictAge = TimeSpan.FromHours(1), DoubtAge = TimeSpan.FromMinutes(2), FailureAge = TimeSpan.FromSeconds(2), DoubtPause = TimeSpan.FromSeconds(15), DetectLimit = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Shared> _shared = [];
    private ModernServer? _modern;
    private Task<RemoteVerdict>? _detecting;
    private RemoteVerdict? _verdict;
    private RemoteException? _failure;
    private long _foundAt;
    private bool _disposed;

    // ---- what it speaks

    /// <summary>What it was found to speak, as long as that holds.</summary>
    public RemoteVerdict? Verdict
    {
        get
        {
            lock (_gate) return _verdict is { } verdict && time.GetElapsedTime(_foundAt) < (verdict.IsCertain ? VerdictAge : DoubtAge) ? verdict : null;
        }
    }

    /// <summary>What it speaks, found out now if need be. Throws <see cref="RemoteException"/>.</summary>
    public async ValueTask<RemoteVerdict> SpeaksAsync(CancellationToken cancellationToken)
    {
        Task<RemoteVerdict> task;
        lock (_gate)
        {
            if (_verdict is { } known && time.GetElapsedTime(_foundAt) < (known.IsCertain ? VerdictAge : DoubtAge)) return known;
            // A server that is down is not asked again by each request.
            if (_failure is not null && time.GetElapsedTime(_foundAt) < FailureAge) throw new RemoteException(_failure.Failure, _failure.Message, _failure.Status);
            if (_detecting is null or { IsCompleted: true }) _detecting = Task.Run(DetectAsync, CancellationToken.None);
            task = _detecting;
        }
        return await task.WaitAsync(cancellationToken);
    }

    /// <summary>The server's answer contradicts what is known of it: it is asked again before the next request.</summary>
    public void Doubt()
    {
        lock (_gate) _verdict = null;
    }

    /// <summary>The same for an answer to a client, who must not be able to have the server asked again and again.</summary>
    public void Contradicted()
    {
        lock (_gate)
        {
            if (_verdict is not null && time.GetElapsedTime(_foundAt) > DoubtPause) _verdict = null;
        }
    }

    private async Task<RemoteVerdict> DetectAsync()
    {
        using var limit = new CancellationTokenSource(DetectLimit, time);
        try
        {
            var verdict = await RemoteProbe.DetectAsync(server, isAuto, isSse, limit.Token);
            lock (_gate) (_verdict, _failure, _foundAt) = (verdict, null, time.GetTimestamp());
            return verdict;
        }
        catch (Exception e) when (e is RemoteException or OperationCanceledException)
        {
            var failure = e as RemoteException ?? RemoteException.TimedOut(DetectLimit);
            lock (_gate) (_failure, _foundAt) = (failure, time.GetTimestamp());
            throw failure;
        }
    }

    // ---- sessions there

    /// <summary>A session of its own at the server. Throws <see cref="ServerUnavailableException"/>.</summary>
    public async ValueTask<IServerConnection> OpenAsync(string principal, CancellationToken cancellationToken)
    {
        var verdict = await KnownAsync(cancellationToken);
        return verdict.Legacy ? await OpenLegacyAsync(verdict, cancellationToken) : new LegacyOverModernLink(RentModern(principal));
    }

    private async Task<RemoteVerdict> KnownAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await SpeaksAsync(cancellationToken);
        }
        catch (RemoteException e)
        {
            throw new ServerUnavailableException(e.Sentence);
        }
    }

    private async ValueTask<HttpLink> OpenLegacyAsync(RemoteVerdict verdict, CancellationToken cancellationToken)
    {
        if (!verdict.IsSse) return server.OpenStreamable(modern: false);
        try
        {
            return await server.OpenSseAsync(cancellationToken);
        }
        catch (RemoteException e)
        {
            Doubt();
            throw new ServerUnavailableException(e.Sentence);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ServerLease> RentAsync(string principal, CancellationToken cancellationToken) => new(await OpenAsync(principal, cancellationToken), null);

    /// <inheritdoc/>
    public bool? SpeaksModern => Verdict?.Modern;

    /// <inheritdoc/>
    public async ValueTask<bool> DetectAsync(CancellationToken cancellationToken) => (await KnownAsync(cancellationToken)).Modern;

    /// <inheritdoc/>
    public ModernServer RentModern(string principal)
    {
        lock (_gate) return _modern ??= new(_ => Task.FromResult<ServerLink>(server.OpenStreamable(modern: true)), time);
    }

    /// <inheritdoc/>
    public async ValueTask<IServerConnection> RentLegacyAsync(string principal, CancellationToken cancellationToken) =>
        await OpenLegacyAsync(await KnownAsync(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<SharedServer> RentSharedAsync(string principal, CancellationToken cancellationToken)
    {
        Shared shared;
        lock (_gate)
        {
            if (!_shared.TryGetValue(principal, out shared!) || shared.IsOver)
            {
                if (_shared.Count >= MostPrincipals) DropUnused();
                _shared[principal] = shared = new();
                shared.Connecting = Task.Run(() => ConnectSharedAsync(shared), CancellationToken.None);
            }
        }
        await shared.Connecting.WaitAsync(cancellationToken);
        return shared.Server;
    }

    /// <summary>A legacy session at the server that the modern calls of one principal share.</summary>
    private sealed class Shared
    {
        public SharedServer Server { get; } = new();
        public Task Connecting { get; set; } = Task.CompletedTask;
        public HttpLink? Link { get; set; }
        public bool IsOver => Connecting is { IsCompleted: true, IsCompletedSuccessfully: false } || Connecting.IsCompleted && Server.Link is null;
    }

    private async Task ConnectSharedAsync(Shared shared)
    {
        using var limit = new CancellationTokenSource(DetectLimit, time);
        try
        {
            var link = await OpenLegacyAsync(await KnownAsync(limit.Token), limit.Token);
            shared.Link = link;
            link.Adopt(shared.Server);
            try
            {
                await shared.Server.ConnectAsync(link, limit.Token);
            }
            catch
            {
                link.Stop();
                throw;
            }
        }
        catch (OperationCanceledException)
        {
            throw new ServerUnavailableException("the server did not answer in time");
        }
    }

    private void DropUnused()
    {
        foreach (var (principal, shared) in _shared.Where(entry => entry.Value.Connecting.IsCompleted && (entry.Value.IsOver || !entry.Value.Server.IsUsed)).ToArray())
        {
            _shared.Remove(principal);
            shared.Link?.Stop();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            foreach (var shared in _shared.Values) shared.Link?.Stop();
            _shared.Clear();
        }
        (_modern?.Link as HttpLink)?.Stop();
    }
}

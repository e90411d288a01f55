using System.Text;
using McpCan.Protocol.Http;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Microsoft.AspNetCore.Http;

namespace McpCan.Protocol.Modern;

/// <summary>
/// Legacy servers that are leased to one call at a time, so that what they ask for belongs to that call. A lease is
/// used again by calls of the same principal and client with the same capabilities; their number is bounded.
/// </summary>
sealed class LegacyPool : IDisposable
{
    static readonly string[] Levels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    readonly Lock gate = new();
    readonly List<LegacyLease> idle = [];
    readonly IServerEras eras;
    readonly ModernContext context;
    readonly SemaphoreSlim slots;
    readonly ITimer sweep;
    bool isDisposed;

    public LegacyPool(IServerEras eras, ModernContext context)
    {
        (this.eras, this.context) = (eras, context);
        slots = new(context.Options.MaxLeases);
        Parked = new(context);
        var period = TimeSpan.FromMilliseconds(Math.Clamp(Math.Min(context.Options.LeaseIdle.TotalMilliseconds, context.Options.ParkLimit.TotalMilliseconds) / 4, 100, 5000));
        sweep = context.Time.CreateTimer(static me => ((LegacyPool)me!).Sweep(), this, period, period);
    }

    public ParkedCalls Parked { get; }

    /// <summary>Runs a request at a leased server, or goes on with one that waits for inputs.</summary>
    public async Task RunAsync(HttpContext http, RequestBody body, Envelope envelope, string principal)
    {
        if (envelope.LogLevel.IsPresent && !Levels.Contains(JsonText.Read(envelope.LogLevel.Of(body.Span))))
        {
            await Answer.Error(http, 200, McpErrors.InvalidParams, "Invalid params: the log level is unknown", envelope.Id.Of(body.Span));
            return;
        }
        if (envelope.RequestState.IsPresent)
        {
            await ResumeAsync(http, body, envelope, principal);
            return;
        }
        var lease = await RentAsync(principal, KeyOf(body.Span, envelope, principal), body, envelope, http.RequestAborted);
        var exchange = new ModernExchange(context, http, principal, body.Span, envelope) { Blocks = true };
        var conversation = new Conversation(this, context, lease, exchange, body.Span, envelope);
        await exchange.RunAsync(conversation.Start(body.Span, envelope));
    }

    async Task ResumeAsync(HttpContext http, RequestBody body, Envelope envelope, string principal)
    {
        var state = JsonText.Read(envelope.RequestState.Of(body.Span));
        if (state is null || Parked.Take(state, principal, body.Span, envelope) is not { } conversation)
        {
            await Answer.Error(http, 200, McpErrors.InvalidParams, "Invalid params: requestState is unknown or has expired", envelope.Id.Of(body.Span));
            return;
        }
        var exchange = new ModernExchange(context, http, principal, body.Span, envelope) { Blocks = true };
        await exchange.RunAsync(conversation.Resume(exchange, body.Span, envelope));
    }

    static string KeyOf(ReadOnlySpan<byte> message, in Envelope envelope, string principal)
        => $"{principal}\n{Encoding.UTF8.GetString(envelope.ClientCapabilities.Of(message))}\n{Encoding.UTF8.GetString(envelope.ClientInfo.Of(message))}";

    async Task<LegacyLease> RentAsync(string principal, string key, RequestBody body, Envelope envelope, CancellationToken cancellationToken)
    {
        if (!await slots.WaitAsync(Patience, cancellationToken))
            throw new ServerUnavailableException("too many calls wait for inputs or run at this server; try again later", isBusy: true);
        try
        {
            lock (gate)
            {
                var index = idle.FindLastIndex(lease => lease.Key == key);
                if (index >= 0)
                {
                    var found = idle[index];
                    idle.RemoveAt(index);
                    return found;
                }
                // A process of another kind makes room.
                if (idle.Count > 0 && idle.Count + context.Options.MaxLeases - slots.CurrentCount > context.Options.MaxLeases)
                {
                    idle[0].Connection.Stop();
                    idle.RemoveAt(0);
                }
            }
            var lease = new LegacyLease(await eras.RentLegacyAsync(principal, cancellationToken), key);
            try
            {
                await lease.InitializeAsync(envelope.ClientCapabilities.Of(body.Span).ToArray(), envelope.ClientInfo.Of(body.Span).ToArray(), context.Options.StartLimit, cancellationToken);
            }
            catch
            {
                lease.Connection.Stop();
                throw;
            }
            return lease;
        }
        catch
        {
            slots.Release();
            throw;
        }
    }

    /// <summary>Takes a lease back; it is used again unless it must not be.</summary>
    public void Return(LegacyLease lease, bool usable)
    {
        lock (gate)
        {
            if (isDisposed) usable = false;
            lease.Current = null;
            lease.IdleSince = context.Time.GetTimestamp();
            if (usable && !lease.IsBroken) idle.Add(lease);
            else usable = false;
        }
        if (!usable) lease.Connection.Stop();
        slots.Release();
    }

    void Sweep()
    {
        Parked.Expire();
        List<LegacyLease> over = [];
        lock (gate)
        {
            over.AddRange(idle.Where(lease => lease.IsBroken || context.Time.GetElapsedTime(lease.IdleSince) > context.Options.LeaseIdle));
            idle.RemoveAll(over.Contains);
        }
        foreach (var lease in over) lease.Connection.Stop();
    }

    public void Dispose()
    {
        sweep.Dispose();
        lock (gate)
        {
            isDisposed = true;
            foreach (var lease in idle) lease.Connection.Stop();
            idle.Clear();
        }
        Parked.EndAll();
    }
}

using System.Collections.Concurrent;
using System.Net;
using McpCan.Gateway.Policy;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway;

/// <summary>
/// Knows every exchange that is under way: a token that is switched off, or an instance that is deleted, ends them within a second,
/// and a stop of the program does not wait for streams. One timer for all.
/// </summary>
internal sealed partial class OpenExchanges(
    IRouteSource routes, ITokenVerifier tokens, UpstreamPool upstreams, TrafficGate traffic, Remote.RemoteHosts remotes, Virtual.VirtualHosts virtuals, Sleep.SleepHosts sleepers, IHostApplicationLifetime lifetime,
    IOptions<GatewayOptions> options, TimeProvider time, ILogger<OpenExchanges> logger) : BackgroundService
{
    private readonly ConcurrentDictionary<GatewayExchange, IPAddress?> _open = new();

    public int Count => _open.Count;

    public void Add(GatewayExchange exchange) => _open.TryAdd(exchange, exchange.Context.Connection.RemoteIpAddress);

    public void Remove(GatewayExchange exchange) => _open.TryRemove(exchange, out _);

    /// <summary>Looks at every open exchange once.</summary>
    public void Check()
    {
        foreach (var (exchange, address) in _open)
        {
            if (exchange.Route is not { } route) continue;
            if (routes.Find(route.InstanceId) is not { } now)
            {
                exchange.End(EndReason.InstanceGone);
            }
            else if (exchange.TokenId is null)
            {
                if (now.TokenRequired) exchange.End(EndReason.TokenRefused);
            }
            else
            {
                var verdict = tokens.Verify(exchange.Token!, route.InstanceId, address);
                if (verdict.TokenId is null) exchange.End(verdict.Refusal == TokenRefusal.Address ? EndReason.AddressRefused : EndReason.TokenRefused);
                else if (!ReferenceEquals(verdict.Policy, exchange.Policy)) PolicyGate.Change(exchange, verdict.Policy);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var stopping = lifetime.ApplicationStopping.Register(EndForStop);
        using var timer = new PeriodicTimer(options.Value.TokenRecheck, time);
        var swept = time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    Check();
                    if (time.GetElapsedTime(swept) < TimeSpan.FromSeconds(30)) continue;
                    upstreams.CloseIdle();
                    traffic.Sweep();
                    remotes.CloseIdle(routes.Find);
                    virtuals.CloseGone();
                    await sleepers.CheckAsync(stoppingToken);
                    swept = time.GetTimestamp();
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    CheckFailed(logger, e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // the program stops
        }
    }

    private void EndForStop()
    {
        foreach (var exchange in _open.Keys)
        {
            if (exchange.IsStream) exchange.End(EndReason.Stopping);
        }
        _ = EndCallsAsync();
    }

    private async Task EndCallsAsync()
    {
        await Task.Delay(options.Value.StopGrace, time);
        foreach (var exchange in _open.Keys) exchange.End(EndReason.Stopping);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Checking the open exchanges failed; it is tried again")]
    private static partial void CheckFailed(ILogger logger, Exception exception);
}

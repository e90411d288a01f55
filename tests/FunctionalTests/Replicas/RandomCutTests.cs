using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>
/// 200 cuts at random moments, of connections and of whole gateways (kill -9), while calls with progress are under way: whatever the client can ask for
/// again by the protocol (2025-11-25, Resumability and Redelivery) comes once and in order, and no call is carried out twice.
/// </summary>
public sealed class RandomCutTests(PostgresApp first) : IClassFixture<PostgresApp>
{
    private const int Cuts = 200, Clients = 8, Steps = 8;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(120);
    private readonly ConcurrentBag<string> _wrong = [];
    private int _cuts, _calls, _resumed, _unknown;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TwoHundredCuts_LoseNothing_AndDoubleNothing()
    {
        var running = await first.Operator.CreateAsync();
        var (_, token) = await first.Operator.TokenAsync(Fleet.Id(running));
        var gateways = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => ServerProcess.StartAsync(first.Database, first.Data, "gateway")));
        using var proxy = new CuttingProxy();
        proxy.To(gateways.Select(g => g.Url));
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        over.CancelAfter(Longest);

        var watch = Stopwatch.StartNew();
        var clients = Enumerable.Range(0, Clients).Select(n => CallAsync(n, proxy.Url, Fleet.Slug(running), token, over.Token)).ToArray();
        await Task.WhenAll(CutConnectionsAsync(proxy, over.Token), ReplaceGatewaysAsync(gateways, proxy, over.Token));
        await Task.WhenAll(clients);
        foreach (var gateway in gateways) await gateway.DisposeAsync();

        TestContext.Current.TestOutputHelper?.WriteLine($"{_cuts} cuts, {_calls} calls, {_resumed} resumed, {_unknown} cut before their first event, {watch.Elapsed.TotalSeconds:0} s");
        Assert.Empty(_wrong);
        Assert.True(_cuts >= Cuts, $"{_cuts} cuts in {watch.Elapsed}");
        Assert.True(_resumed > Cuts / 4, $"{_resumed} resumed"); // the cuts did hit calls
        await first.Operator.RemoveAsync(Fleet.Id(running));
    }

    private async Task CutConnectionsAsync(CuttingProxy proxy, CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _cuts) < Cuts && !cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(RandomNumberGenerator.GetInt32(20, 200), CancellationToken.None);
            if (proxy.CutOne()) Interlocked.Increment(ref _cuts);
        }
    }

    /// <summary>Kills one of the two, starts another in its place, and so on.</summary>
    private async Task ReplaceGatewaysAsync(ServerProcess[] gateways, CuttingProxy proxy, CancellationToken cancellationToken)
    {
        for (var n = 0; Volatile.Read(ref _cuts) < Cuts && !cancellationToken.IsCancellationRequested; n++)
        {
            await Task.Delay(RandomNumberGenerator.GetInt32(200, 800), CancellationToken.None);
            await gateways[n % 2].DisposeAsync(); // kill -9
            Interlocked.Increment(ref _cuts);
            gateways[n % 2] = await ServerProcess.StartAsync(first.Database, first.Data, "gateway");
            proxy.To(gateways.Select(g => g.Url));
        }
    }

    private async Task CallAsync(int number, string url, string slug, string token, CancellationToken cancellationToken)
    {
        using var client = new ReplicaClient(() => url, slug, token);
        await AgainAsync(() => client.ConnectAsync(cancellationToken), cancellationToken);
        var session = client.Session;
        for (var n = 0; Volatile.Read(ref _cuts) < Cuts && !cancellationToken.IsCancellationRequested; n++)
        {
            var key = $"{number}-{n}";
            var call = new ReplicaClient.Call();
            Interlocked.Increment(ref _calls);
            var status = await TryAsync(() => client.StartAsync(call, "count", new { key, steps = Steps, pause = 0.02 }, cancellationToken));
            if (!call.IsOver && call.LastEvent is null)
            {
                // The client cannot know whether the server got the call; it was carried out once or not at all.
                Interlocked.Increment(ref _unknown);
                if (status is not (null or HttpStatusCode.OK)) _wrong.Add($"{key}: HTTP {status}");
                await AgainAsync(async () => Check((await client.CallAsync("peek", new { key }, cancellationToken)) is "0" or "1", $"{key}: carried out twice"), cancellationToken);
                continue;
            }
            while (!call.IsOver && !cancellationToken.IsCancellationRequested)
            {
                Interlocked.Increment(ref _resumed);
                status = await TryAsync(() => client.ResumeAsync(call, cancellationToken));
                if (status is { } answer && answer != HttpStatusCode.OK)
                {
                    _wrong.Add($"{key}: resumption answered by HTTP {answer}");
                    break;
                }
                if (status is null) await Task.Delay(20, CancellationToken.None);
            }
            Check(call.Answers.Count == 1, $"{key}: {call.Answers.Count} answers");
            Check(call.Text == "1", $"{key}: counted {call.Text}");
            Check(call.Progress.SequenceEqual(Enumerable.Range(1, Steps).Select(s => (double)s)), $"{key}: progress {JsonSerializer.Serialize(call.Progress)}");
        }
        Check(session == client.Session, "the session changed");
    }

    private void Check(bool holds, string otherwise)
    {
        if (!holds) _wrong.Add(otherwise);
    }

    /// <summary>The answer's status, or null when the connection broke.</summary>
    private static async Task<HttpStatusCode?> TryAsync(Func<Task<HttpStatusCode>> exchange)
    {
        try
        {
            return await exchange();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
    }

    private static async Task AgainAsync(Func<Task> exchange, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await exchange();
                return;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                await Task.Delay(20, CancellationToken.None);
            }
        }
    }
}

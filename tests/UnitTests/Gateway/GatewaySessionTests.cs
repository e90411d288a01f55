using System.Net;
using System.Text.Json;
using McpCan.Gateway;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace McpCan.UnitTests.Gateway;

public sealed class GatewaySessionTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";
    private const string Call = """{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{}}}""";

    [Fact]
    public async Task Session_IsSealedForTheClient_AndOpenedForTheServer()
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        Assert.DoesNotContain("bridge", session, StringComparison.Ordinal);
        Assert.All(session, c => Assert.InRange(c, '!', '~'));
        bed.SeenUpstream.Clear();

        using var response = await bed.SendAsync(bed.Post(Mcp, Call, session: session));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        Assert.Equal("bridge-session-1", seen.Headers["Mcp-Session-Id"]);

        var record = bed.NextRecord();
        Assert.Equal(("tools/call", "echo", "tester", "1.2"), (record.Method, record.Target, record.ClientName, record.ClientVersion));
        Assert.Equal(8, record.Session!.Length);
    }

    [Fact]
    public async Task Session_OfTheServerInEachAnswer_KeepsTheClientsId()
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        bed.Server = context =>
        {
            context.Response.Headers["Mcp-Session-Id"] = "bridge-session-1";
            return Task.CompletedTask;
        };
        using var response = await bed.SendAsync(bed.Post(Mcp, Call, session: session));
        Assert.Equal(session, response.Headers.GetValues("Mcp-Session-Id").Single());
    }

    [Theory]
    [InlineData("/mcp-gateway/alpha/mcp", GatewayBed.Other)] // stolen by another token
    [InlineData("/mcp-gateway/beta/mcp", GatewayBed.Good)] // used at another instance
    public async Task Session_OfAnother_IsNotFound(string path, string token)
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        await AssertNotFound(bed, path, token, session);
    }

    [Fact]
    public async Task Session_OfAnEarlierRun_IsNotFound()
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        bed.SetRoute("i-1", "alpha", route => route with { Upstream = route.Upstream! with { Generation = 2 } });
        await AssertNotFound(bed, Mcp, GatewayBed.Good, session);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("bridge-session-1")]
    [InlineData("!!!")]
    [InlineData("AAAA")]
    public async Task Session_Invented_IsNotFound(string session)
    {
        await using var bed = await GatewayBed.StartAsync();
        await AssertNotFound(bed, Mcp, GatewayBed.Good, session);
    }

    [Fact]
    public async Task Session_ChangedInAnyPlace_IsNotFound()
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        foreach (var at in new[] { 0, session.Length / 2, session.Length - 1 })
        {
            await AssertNotFound(bed, Mcp, GatewayBed.Good, session[..at] + (session[at] == 'A' ? 'B' : 'A') + session[(at + 1)..]);
        }
        await AssertNotFound(bed, Mcp, GatewayBed.Good, session + session);
        await AssertNotFound(bed, Mcp, GatewayBed.Good, new string('A', 5000));
    }

    [Fact]
    public async Task Session_Delete_GoesToTheServer()
    {
        await using var bed = await GatewayBed.StartAsync();
        var session = await bed.InitializeAsync();
        bed.SeenUpstream.Clear();
        var request = bed.Get(Mcp, session: session);
        request.Method = HttpMethod.Delete;
        using var response = await bed.SendAsync(request);
        Assert.True(bed.SeenUpstream.TryDequeue(out var seen));
        Assert.Equal(("DELETE", "bridge-session-1"), (seen.Method, seen.Headers["Mcp-Session-Id"]));
    }

    [Fact]
    public void Seal_OpensAgainWithoutMemory_AndRemembersOnlySoMany()
    {
        var protection = new EphemeralDataProtectionProvider();
        var options = Options.Create(new GatewayOptions { RememberedSessions = 4 });
        var first = new SessionSeal(protection, options);
        var tickets = Enumerable.Range(0, 50).Select(n =>
            new SessionTicket(GatewayEndpoint.Mcp, "i-1", n, "upstream-" + n, "token:t", DateTimeOffset.UnixEpoch) { ClientName = "c", ClientVersion = new string('9', 500) }).ToList();
        var ids = tickets.ConvertAll(first.Seal);
        var real = new SessionTicket(GatewayEndpoint.Mcp, "i-abcdefghijkl", 123, new string('f', 40), "token:t-abcdefghijkl", DateTimeOffset.UnixEpoch.AddYears(60));
        Assert.All(["", "claude-code", new string('é', 500), string.Concat(Enumerable.Repeat("😀", 99))], name =>
        {
            var id = first.Seal(real with { ClientName = name, ClientVersion = name });
            Assert.InRange(id.Length, 1, 255);
            var opened = new SessionSeal(protection, options).Open(id)!;
            Assert.Equal(real.UpstreamSession, opened.UpstreamSession);
            Assert.StartsWith(opened.ClientName ?? "", name, StringComparison.Ordinal);
            if (name.Length is > 0 and < 12) Assert.Equal((name, name), (opened.ClientName, opened.ClientVersion));
        });
        Assert.Equal(50, ids.Distinct().Count());

        var other = new SessionSeal(protection, options); // another replica
        foreach (var seal in new[] { first, other })
        {
            for (var n = 0; n < 50; n++)
            {
                var ticket = seal.Open(ids[n]);
                Assert.Equal(("i-1", (long)n, "upstream-" + n, "token:t", "c"), (ticket!.InstanceId, ticket.Generation, ticket.UpstreamSession, ticket.Principal, ticket.ClientName));
            }
        }
        Assert.Null(new SessionSeal(new EphemeralDataProtectionProvider(), options).Open(ids[0]));
    }

    [Fact]
    public void Seal_OfASessionThatLivesInOneProcess_IsUnknownToOthers()
    {
        var protection = new EphemeralDataProtectionProvider();
        var options = Options.Create(new GatewayOptions());
        var (one, two) = (new SessionSeal(protection, options), new SessionSeal(protection, options));
        var id = one.Seal(new SessionTicket(GatewayEndpoint.Mcp, "i-abcdefghijkl", 123, new string('f', 40), "token:t-abcdefghijkl", DateTimeOffset.UnixEpoch) { Replica = one.Replica, ClientName = "claude" });

        Assert.Equal((GatewayEndpoint.Mcp, one.Replica), (one.Open(id)!.Endpoint, one.Open(id)!.Replica));
        Assert.InRange(id.Length, 1, 255);
        Assert.Null(two.Open(id));
        Assert.Null(two.Open(id)); // also once it is remembered
    }

    [Theory]
    [InlineData("alpha", null)]
    [InlineData("i-1", null)]
    [InlineData("alpha", "/tools/mcp")]
    public async Task Sse_EndpointEvent_NamesOurAddress(string name, string? pathBase)
    {
        await using var bed = await GatewayBed.StartAsync(pathBase: pathBase);
        using var response = await bed.SendAsync(bed.Get($"{pathBase}/mcp-gateway/{name}/sse"));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        Assert.Equal("event: endpoint", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        var address = (await reader.ReadLineAsync(TestContext.Current.CancellationToken))!["data: ".Length..];
        Assert.StartsWith($"{pathBase}/mcp-gateway/{name}/message?sessionId=", address, StringComparison.Ordinal);
        Assert.DoesNotContain("bridge", address, StringComparison.Ordinal);
        Assert.Equal("", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(": hello", await reader.ReadLineAsync(TestContext.Current.CancellationToken));

        const string Initialize = """{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"version":"3","name":"old client"}}}""";
        using var posted = await bed.SendAsync(bed.Post(address, Initialize));
        Assert.Equal(HttpStatusCode.Accepted, posted.StatusCode);
        Assert.Equal("/message?sessionId=bridge-sse-1", bed.SeenUpstream.Last().PathAndQuery);
        bed.NextRecord();
        using var called = await bed.SendAsync(bed.Post(address, Call));
        var record = bed.NextRecord();
        Assert.Equal(("tools/call", "echo", "old client", "3"), (record.Method, record.Target, record.ClientName, record.ClientVersion));

        using var stolen = await bed.SendAsync(bed.Post(address, Call, GatewayBed.Other));
        Assert.Equal(HttpStatusCode.NotFound, stolen.StatusCode);
        using var mixed = await bed.SendAsync(bed.Post($"{pathBase}/mcp-gateway/{name}/mcp", Call, session: address.Split("sessionId=")[1]));
        Assert.Equal(HttpStatusCode.NotFound, mixed.StatusCode);
    }

    [Fact]
    public async Task Sse_QueryToken_IsKeptForTheMessages()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", route => route with { QueryTokenAllowed = true });
        using var response = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse?token=" + GatewayBed.Good, token: null));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        await reader.ReadLineAsync(TestContext.Current.CancellationToken);
        var address = (await reader.ReadLineAsync(TestContext.Current.CancellationToken))!["data: ".Length..];
        using var posted = await bed.SendAsync(bed.Post(address, Call, token: null));
        Assert.Equal(HttpStatusCode.Accepted, posted.StatusCode);
        Assert.DoesNotContain(GatewayBed.Good, string.Join('\n', bed.SeenUpstream), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(": wait\n\nretry: 10\r\n\r\nevent: endpoint\r\ndata: http://10.0.0.9:80/x/messages/?session_id=s%201&a=b\r\n\r\n", true)]
    [InlineData("data:/message?sessionId=s%201\revent:endpoint\r\r", true)]
    [InlineData("event: message\ndata: {}\n\n", false)]
    [InlineData("event: endpoint\ndata: /message\n\n", false)]
    [InlineData("event: endpoint\ndata: /message?sessionId=x\n", false)]
    public async Task Sse_EndpointEvent_InAllItsForms(string sent, bool understood)
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.Server = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            foreach (var c in sent) // as torn as it can be
            {
                await context.Response.Body.WriteAsync(new[] { (byte)c });
                await context.Response.Body.FlushAsync();
            }
        };
        using var response = await bed.SendAsync(bed.Get("/mcp-gateway/alpha/sse"));
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(understood ? HttpStatusCode.OK : HttpStatusCode.BadGateway, response.StatusCode);
        Assert.DoesNotContain("10.0.0.9", text, StringComparison.Ordinal);
        if (!understood) return;
        var sealedId = text.Split("sessionId=")[1].Trim();
        Assert.Equal("s 1", bed.Services.GetRequiredService<SessionSeal>().Open(sealedId)!.UpstreamSession);
    }

    [Fact]
    public async Task Message_WithoutSession_IsBadRequest()
    {
        await using var bed = await GatewayBed.StartAsync();
        using var response = await bed.SendAsync(bed.Post("/mcp-gateway/alpha/message", Call));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    private static async Task AssertNotFound(GatewayBed bed, string path, string token, string session)
    {
        var before = bed.SeenUpstream.Count;
        using var response = await bed.SendAsync(bed.Post(path, Call, token, session));
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(5, json.RootElement.GetProperty("id").GetInt32());
        Assert.Equal(-32001, json.RootElement.GetProperty("error").GetProperty("code").GetInt32());
        Assert.Equal(before, bed.SeenUpstream.Count);
    }
}

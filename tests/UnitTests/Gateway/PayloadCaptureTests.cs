using McpCan.Gateway;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Gateway;

public sealed class PayloadCaptureTests
{
    private const string Mcp = "/mcp-gateway/alpha/mcp";

    private static async Task<(AccessRecord Record, string Answer)> CallAsync(GatewayBed bed, string body, string? token = GatewayBed.Good)
    {
        using var response = await bed.SendAsync(bed.Post(Mcp, body, token));
        var answer = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return (bed.NextRecord(), answer);
    }

    private static string Call(string argument) => $$$$"""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"password":"hunter2","text":"{{{{argument}}}}"}}}""";

    [Fact]
    public async Task Off_KeepsNothing()
    {
        await using var bed = await GatewayBed.StartAsync();

        var (record, _) = await CallAsync(bed, Call("a"));

        Assert.Equal((null, null), (record.RequestPayload, record.ResponsePayload));
    }

    [Theory]
    [InlineData("application/json", 1)]
    [InlineData("text/event-stream", 1)]
    [InlineData("application/json", 200)]
    [InlineData("text/event-stream", 200)]
    public async Task On_KeepsBothSides_Bounded_AndBytesPassUntouched(string type, int kilobytes)
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", r => r with { Capture = new PayloadCapture(4096, ["hidden"]) });
        var seen = "";
        var answer = $$$"""{"jsonrpc":"2.0","id":1,"result":{"token":"t0psecret","hidden":"h1dden","text":"{{{new string('y', kilobytes << 10)}}}"}}""";
        if (type != "application/json") answer = $"data: {answer}\n\n";
        bed.Server = async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            seen = await reader.ReadToEndAsync();
            context.Response.ContentType = type;
            await context.Response.WriteAsync(answer);
        };
        var body = Call(new string('x', kilobytes << 10));

        var (record, got) = await CallAsync(bed, body);

        Assert.Equal((body, answer), (seen, got));
        Assert.Equal((body.Length, answer.Length), (record.RequestBytes, record.ResponseBytes));
        Assert.Contains("\"text\":\"xxx", record.RequestPayload, StringComparison.Ordinal);
        Assert.Contains("\"text\":\"yyy", record.ResponsePayload, StringComparison.Ordinal);
        foreach (var secret in new[] { "hunter2", "t0psecret", "h1dden" }) Assert.DoesNotContain(secret, record.RequestPayload + record.ResponsePayload, StringComparison.Ordinal);
        Assert.InRange(record.RequestPayload!.Length + record.ResponsePayload!.Length, kilobytes > 4 ? 8000 : 2000, 8400);
        Assert.Equal(kilobytes > 4, record.RequestPayload.EndsWith($"… ({body.Length} bytes)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task RefusedToken_LeavesNoPayload()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", r => r with { Capture = new PayloadCapture(4096, []) });

        var (record, _) = await CallAsync(bed, Call("a"), "mct_unknown");

        Assert.Equal((401, null, null), (record.Status, record.RequestPayload, record.ResponsePayload));
    }

    [Fact]
    public async Task ErrorOfTheGateway_IsKept_AndBinaryIsOnlyNamed()
    {
        await using var bed = await GatewayBed.StartAsync();
        bed.SetRoute("i-1", "alpha", r => r with { Capture = new PayloadCapture(4096, []), Upstream = null });
        Assert.Contains("not available", (await CallAsync(bed, Call("a"))).Record.ResponsePayload, StringComparison.Ordinal);

        bed.SetRoute("i-1", "alpha", r => r with { Capture = new PayloadCapture(4096, []) });
        bed.Server = async context =>
        {
            context.Response.ContentType = "image/png";
            await context.Response.Body.WriteAsync(new byte[100]);
        };
        Assert.Equal("(100 bytes, image/png)", (await CallAsync(bed, Call("a"))).Record.ResponsePayload);
    }
}

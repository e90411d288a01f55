using System.Text.Json;
using McpCan.Gateway.Remote;
using McpCan.Protocol;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Modern;
using McpCan.Protocol.Sessions;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway;

/// <summary>What was found out about a remote server.</summary>
public sealed record RemoteReport
{
    /// <summary>Why it cannot be used, in one sentence without its address; null when it can.</summary>
    public string? Error { get; init; }
    /// <summary>What went wrong on the way to it; null when nothing did, or when it is the server that is wrong.</summary>
    public RemoteFailure? Failure { get; init; }
    /// <summary>What it speaks; <see cref="RemoteTransport.Auto"/> when that was not found out.</summary>
    public RemoteTransport Transport { get; init; }
    /// <summary>Whether it takes <c>initialize</c>.</summary>
    public bool Legacy { get; init; }
    /// <summary>Whether it speaks 2026-07-28.</summary>
    public bool Modern { get; init; }
    /// <summary>Whether it refused our credentials, or wants some.</summary>
    public bool RequiresAuthorization { get; init; }
    /// <summary>Its name.</summary>
    public string? ServerName { get; init; }
    /// <summary>Its version.</summary>
    public string? ServerVersion { get; init; }
    /// <summary>The revision that is spoken with it.</summary>
    public string? ProtocolVersion { get; init; }
    /// <summary>Its tools; empty when it has none.</summary>
    public IReadOnlyList<RemoteTool> Tools { get; init; } = [];
}

/// <summary>A tool of a remote server.</summary>
public sealed record RemoteTool(string Name, string? Description);

/// <summary>Finds out what a remote server speaks and offers, as the gateway will speak to it.</summary>
public sealed class RemoteInspector(IOptions<GatewayOptions> options, TimeProvider time)
{
    private const int MostPages = 20;
    private static readonly byte[] Initialize =
        [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":""initialize"",""params"":{""protocolVersion"":""2025-11-25"",""capabilities"":{},""clientInfo"":{""name"":""mcpcan"",""version"":""0.1.0""}}}"u8];
    private static readonly byte[] Initialized = [.. @"{""jsonrpc"":""2.0"",""method"":""notifications/initialized""}"u8];
    private static readonly byte[] ListTools = [.. @"{""jsonrpc"":""2.0"",""id"":0,""method"":""tools/list"",""params"":{}}"u8];

    /// <summary>Speaks to the server. Failures are told in the report.</summary>
    public async Task<RemoteReport> DetectAsync(GatewayRemote remote, CancellationToken cancellationToken)
    {
        var report = new RemoteReport();
        try
        {
            using var host = new RemoteHost(remote, new EgressRules(options.Value.EgressAllow), options.Value, time);
            var verdict = await host.Eras.SpeaksAsync(cancellationToken);
            report = report with
            {
                Transport = verdict.IsSse ? RemoteTransport.Sse : RemoteTransport.StreamableHttp,
                Legacy = verdict.Legacy,
                Modern = verdict.Modern,
            };
            return verdict.Modern ? await ModernAsync(host, report, cancellationToken) : await LegacyAsync(host, report, cancellationToken);
        }
        catch (RemoteException e)
        {
            return report with { Error = e.Sentence, Failure = e.Failure, RequiresAuthorization = e.Failure == RemoteFailure.Unauthorized || e.Status == 403 };
        }
        catch (ServerUnavailableException e)
        {
            return report with { Error = char.ToUpperInvariant(e.Message[0]) + e.Message[1..].TrimEnd('.') + "." };
        }
    }

    private static async Task<RemoteReport> ModernAsync(RemoteHost host, RemoteReport report, CancellationToken cancellationToken)
    {
        var server = host.Eras.RentModern("");
        var hello = await server.DiscoverAsync(cancellationToken);
        report = Named(report, Info(hello)) with { ProtocolVersion = McpRevision.R20260728.Name() };
        var link = await server.LinkAsync(cancellationToken);
        return await ListAsync(link, ModernMessage.ListTools, report, cancellationToken);
    }

    private static ReadOnlySpan<byte> Info(ReadOnlySpan<byte> hello)
    {
        var info = JsonPeek.Member(JsonPeek.Member(hello, "_meta"u8), "io.modelcontextprotocol/serverInfo"u8);
        return info.IsEmpty ? JsonPeek.Member(hello, "serverInfo"u8) : info;
    }

    private static async Task<RemoteReport> LegacyAsync(RemoteHost host, RemoteReport report, CancellationToken cancellationToken)
    {
        var connection = await host.Eras.RentLegacyAsync("", cancellationToken);
        try
        {
            var link = connection.Link;
            var hello = await AwaitedCall.AskAsync(link, Initialize, host.Remote.RequestTimeout, cancellationToken);
            var result = JsonPeek.Member(hello, "result"u8);
            if (result.IsEmpty) return report with { Error = "The server refused initialize." };
            report = Named(report, JsonPeek.Member(result, "serverInfo"u8)) with { ProtocolVersion = Text(result, "protocolVersion"u8) };
            await link.SendAsync(new Splice(Initialized));
            return await ListAsync(link, cursor => cursor is null ? ListTools : RpcMessage.Request("tools/list", "cursor", cursor), report, cancellationToken);
        }
        finally
        {
            connection.Stop();
        }
    }

    private static RemoteReport Named(RemoteReport report, ReadOnlySpan<byte> info) => report with { ServerName = Text(info, "name"u8), ServerVersion = Text(info, "version"u8) };

    private static string? Text(ReadOnlySpan<byte> value, ReadOnlySpan<byte> name) => JsonText.Read(JsonPeek.Member(value, name));

    private static async Task<RemoteReport> ListAsync(ServerLink link, Func<string?, byte[]> request, RemoteReport report, CancellationToken cancellationToken)
    {
        var tools = new List<RemoteTool>();
        string? cursor = null;
        for (var page = 0; page < MostPages; page++)
        {
            var answer = await AwaitedCall.AskAsync(link, request(cursor), TimeSpan.FromSeconds(30), cancellationToken);
            var error = JsonPeek.Member(answer, "error"u8);
            if (!error.IsEmpty)
            {
                // A server without tools is a server, too.
                if (Envelope.ReadInteger(JsonPeek.Member(error, "code"u8)) == McpErrors.MethodNotFound) break;
                return report with { Error = "The server answered tools/list with an error." };
            }
            var result = JsonPeek.Member(answer, "result"u8);
            var list = JsonPeek.Member(result, "tools"u8).ToArray();
            if (list is [(byte)'[', ..])
            {
                foreach (var part in EnvelopeReader.Split(list)) tools.Add(new(Text(part.Of(list), "name"u8) ?? "", Text(part.Of(list), "description"u8)));
            }
            cursor = Text(result, "nextCursor"u8);
            if (string.IsNullOrEmpty(cursor)) break;
        }
        return report with { Tools = tools };
    }
}

using McpCan.Gateway;

namespace McpCan.Server.Instances;

/// <summary>Asks as the gateway will speak: same egress rules, certificates and headers.</summary>
internal sealed class GatewayInspector(RemoteInspector gateway, TimeProvider time) : IRemoteInspector
{
    public async Task<RemoteFindings> DetectAsync(GatewayRemote remote, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var report = await gateway.DetectAsync(remote, cancellationToken);
        return new RemoteFindings(
            report.Error is null, report.Error, report.Failure is { } failure ? System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(failure.ToString()) : null, report.RequiresAuthorization,
            report.Transport switch
            {
                RemoteTransport.StreamableHttp => RemoteTransports.StreamableHttp,
                RemoteTransport.Sse => RemoteTransports.Sse,
                _ => null,
            },
            report.Modern ? "modern" : report.Legacy ? "legacy" : null,
            report.ServerName is null ? null : $"{report.ServerName} {report.ServerVersion}".Trim(),
            report.ProtocolVersion, [.. report.Tools.Select(tool => new FoundTool(tool.Name, tool.Description))],
            Math.Round(time.GetElapsedTime(start).TotalMilliseconds, 1));
    }
}

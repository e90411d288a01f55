using System.Net;
using McpCan.Gateway;

namespace McpCan.Server.Instances;

/// <summary>Speaks Streamable HTTP to a remote server.</summary>
internal sealed class PlainInspector(BridgeProbe probe) : IRemoteInspector
{
    public async Task<RemoteFindings> DetectAsync(GatewayRemote remote, CancellationToken cancellationToken)
    {
        using var status = new LastStatus(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
        using var http = new HttpClient(status) { BaseAddress = remote.Url, Timeout = Timeout.InfiniteTimeSpan };
        foreach (var (name, value) in remote.Headers) http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        var tools = new List<FoundTool>();
        var result = await probe.RunAsync(http, (int)remote.RequestTimeout.TotalSeconds, null, tools, cancellationToken);
        return new RemoteFindings(result.Ok, result.Reason, !result.Ok && status.Refused, result.Ok ? RemoteTransports.StreamableHttp : null, result.Ok ? "legacy" : null,
            result.ServerInfo, result.ProtocolVersion, tools, result.DurationMs);
    }

    private sealed class LastStatus(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        public bool Refused { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            Refused = response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
            return response;
        }
    }
}

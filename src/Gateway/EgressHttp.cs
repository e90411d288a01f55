using System.Net;
using McpCan.Gateway.Remote;
using McpCan.Protocol.Links;

namespace McpCan.Gateway;

/// <summary>HTTP clients for addresses that people enter: they reach only what the egress rules allow (<see cref="GatewayOptions.EgressAllow"/>), whatever a name or a redirect says.</summary>
public static class EgressHttp
{
    /// <summary>A client without proxy, cookies and redirects. Whoever asked disposes it.</summary>
    /// <param name="allowed">Addresses beyond public ones: <c>loopback</c>, <c>private</c>, addresses or networks.</param>
    /// <param name="connectTimeout">Longest time for a connection.</param>
    public static HttpClient Create(IEnumerable<string> allowed, TimeSpan connectTimeout)
    {
        var rules = new EgressRules(allowed);
        return new(new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellationToken) =>
            {
                try
                {
                    return await rules.ConnectAsync(context.DnsEndPoint, cancellationToken);
                }
                catch (RemoteException e)
                {
                    throw new HttpRequestException(e.Message, e);
                }
            },
            ConnectTimeout = connectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            MaxResponseHeadersLength = 64,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }
}

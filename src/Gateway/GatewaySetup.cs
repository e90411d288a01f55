using McpCan.Gateway.Policy;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace McpCan.Gateway;

/// <summary>Puts the gateway into a program. The program brings <see cref="IRouteSource"/>, <see cref="ITokenVerifier"/>, <see cref="IAccessLog"/>, <see cref="IWaker"/> and <see cref="Sleep.IPinnedDefinitions"/>.</summary>
public static class GatewaySetup
{
    /// <summary>Registers the gateway.</summary>
    public static IServiceCollection AddMcpGateway(this IServiceCollection services, Action<GatewayOptions> configure)
    {
        services.AddRemoteInspector(configure);
        services.AddDataProtection();
        services.AddMetrics();
        services.AddSingleton<OriginGuard>();
        services.AddSingleton<TrafficGate>();
        services.AddSingleton<PolicyGate>();
        services.AddSingleton<SessionSeal>();
        services.AddSingleton<UpstreamPool>();
        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton<ExchangeRecorder>();
        services.AddSingleton<OpenExchanges>();
        services.AddHostedService(provider => provider.GetRequiredService<OpenExchanges>());
        services.AddSingleton<Forwarder>();
        services.AddSingleton<Remote.RemoteHosts>();
        services.AddSingleton<Remote.RemoteGate>();
        services.AddSingleton<Remote.HostedRunner>();
        services.AddSingleton<Virtual.VirtualHosts>();
        services.AddSingleton<Sleep.SleepHosts>();
        services.AddSingleton<GatewayHandler>();
        return services;
    }

    /// <summary>Registers what asks remote servers what they speak; for a program without the gateway.</summary>
    public static IServiceCollection AddRemoteInspector(this IServiceCollection services, Action<GatewayOptions> configure)
    {
        services.AddOptions<GatewayOptions>().Configure(configure);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<RemoteInspector>();
        return services;
    }

    /// <summary>Maps <c>/mcp-gateway/{instance}/mcp</c>, <c>/sse</c> and <c>/message</c>.</summary>
    public static IEndpointConventionBuilder MapMcpGateway(this IEndpointRouteBuilder endpoints)
    {
        var handler = endpoints.ServiceProvider.GetRequiredService<GatewayHandler>();
        var group = endpoints.MapGroup("/mcp-gateway/{instance}");
        group.Map("/mcp", context => handler.HandleAsync(context, GatewayEndpoint.Mcp));
        group.Map("/sse", context => handler.HandleAsync(context, GatewayEndpoint.Sse));
        group.Map("/message", context => handler.HandleAsync(context, GatewayEndpoint.Message));
        // The gateway checks its own tokens, knows no cookies and its streams have no time limit.
        group.WithMetadata(new AllowAnonymousAttribute(), new DisableRequestTimeoutAttribute());
        group.ExcludeFromDescription();
        return group;
    }
}

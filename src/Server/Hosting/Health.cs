using System.Data.Common;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace McpCan.Server.Hosting;

/// <summary><c>/healthz</c>: the process answers. <c>/readyz</c>: it can serve (database, and checks of other features tagged <c>ready</c>).</summary>
internal static class Health
{
    /// <summary>A gateway goes on without the database, with the routes and tokens that it knows: that must not take all of them out of service at once.</summary>
    public static void AddHealth(this IServiceCollection services, McpCanOptions options) => services.AddHealthChecks().AddCheck<DatabaseCheck>(
        "database", options.HasConsole ? HealthStatus.Unhealthy : HealthStatus.Degraded, tags: ["ready"], timeout: TimeSpan.FromSeconds(5));

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapHealthChecks("/healthz", new HealthCheckOptions { Predicate = _ => false, ResponseWriter = WriteAsync }).AllowAnonymous();
        routes.MapHealthChecks("/readyz", new HealthCheckOptions { Predicate = c => c.Tags.Contains("ready"), ResponseWriter = WriteAsync }).AllowAnonymous();
    }

    private static Task WriteAsync(HttpContext context, HealthReport report) => context.Response.WriteAsJsonAsync(new
    {
        status = Word(report.Status == HealthStatus.Degraded ? HealthStatus.Healthy : report.Status),
        checks = report.Entries.ToDictionary(e => e.Key, e => Word(e.Value.Status)),
    });

    private static string Word(HealthStatus status) => status == HealthStatus.Healthy ? "ok" : "unavailable";

    private sealed class DatabaseCheck(IDbContextFactory<McpCanDb> databases) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                await using var db = await databases.CreateDbContextAsync(cancellationToken);
                await db.Settings.AnyAsync(cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (Exception e) when (e is DbException or InvalidOperationException)
            {
                return new(context.Registration.FailureStatus);
            }
        }
    }
}

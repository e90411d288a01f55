using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace McpCan.UnitTests;

public sealed class ProblemOfTests
{
    [Fact]
    public void NamesThatExist_AreConflictsOnBothProviders()
    {
        Assert.Equal((409, "exists-already"), Of(new DbUpdateException("", new SqliteException("", 19, 2067))));
        Assert.Equal((409, "exists-already"), Of(new DbUpdateException("", new PostgresException("", "ERROR", "ERROR", PostgresErrorCodes.UniqueViolation))));
    }

    [Fact]
    public void DatabasesThatDoNotAnswer_Are503()
    {
        Assert.Equal((503, "database-unavailable"), Of(new SqliteException("", 5)));
        Assert.Equal((503, "database-unavailable"), Of(new InvalidOperationException("", new NpgsqlException("", new IOException()))));
    }

    [Fact]
    public void Parameters_AreNamedWithoutTheirTypes()
    {
        var problem = ProblemOf.Exception(new BadHttpRequestException("Failed to bind parameter \"Nullable<int> Limit\" from \"many\"."));

        Assert.Equal("limit: 'many' is not a value that is expected here.", problem.Message);
        Assert.True(problem.Errors!.ContainsKey("limit"));
        Assert.Equal("from: it is missing.", ProblemOf.Exception(new BadHttpRequestException("Required parameter \"DateTimeOffset from\" was not provided from query string.")).Message);
    }

    [Fact]
    public void EverythingElse_TellsNothing()
    {
        var problem = ProblemOf.Exception(new InvalidOperationException("Password=pa55"));

        Assert.Equal((500, "internal"), (problem.Status, problem.Code));
        Assert.DoesNotContain("pa55", problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", ProblemOf.Exception(new BadHttpRequestException("secret insides")).Message, StringComparison.Ordinal);
    }

    private static (int, string) Of(Exception exception)
    {
        var problem = ProblemOf.Exception(exception);
        return (problem.Status, problem.Code);
    }
}

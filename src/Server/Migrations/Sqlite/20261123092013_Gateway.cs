using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace McpCan.Server.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class Gateway : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Addresses",
                table: "Tokens",
                type: "TEXT",
                nullable: false,
                defaultValueSql: "'[]'");

            migrationBuilder.AddColumn<string>(
                name: "Limits",
                table: "Tokens",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Prompts",
                table: "Tokens",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Resources",
                table: "Tokens",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Tools",
                table: "Tokens",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Capture",
                table: "Instances",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "Observed",
                table: "Instances",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<string>(
                name: "Place",
                table: "Instances",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Remote",
                table: "Instances",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "Term",
                table: "Instances",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<string>(
                name: "TrafficLimits",
                table: "Instances",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Virtual",
                table: "Instances",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Era",
                table: "AccessLog",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<double>(
                name: "FirstByteMs",
                table: "AccessLog",
                type: "REAL",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "PayloadId",
                table: "AccessLog",
                type: "TEXT",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "AccessPayloads",
                columns: table => new
                {
                    Id = table.Column<string>(type: "TEXT", nullable: false),
                    Time = table.Column<long>(type: "INTEGER", nullable: false),
                    Request = table.Column<string>(type: "TEXT", nullable: true),
                    Response = table.Column<string>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_AccessPayloads", x => x.Id);
                });

            migrationBuilder.CreateTable(
                name: "Leases",
                columns: table => new
                {
                    Name = table.Column<string>(type: "TEXT", nullable: false),
                    Owner = table.Column<string>(type: "TEXT", nullable: false),
                    Node = table.Column<string>(type: "TEXT", nullable: false),
                    Locked = table.Column<bool>(type: "INTEGER", nullable: false),
                    Term = table.Column<long>(type: "INTEGER", nullable: false),
                    ExpiresMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_Leases", x => x.Name);
                });

            migrationBuilder.CreateTable(
                name: "Traffic",
                columns: table => new
                {
                    Minute = table.Column<long>(type: "INTEGER", nullable: false),
                    InstanceId = table.Column<string>(type: "TEXT", nullable: false),
                    Method = table.Column<string>(type: "TEXT", nullable: false),
                    Target = table.Column<string>(type: "TEXT", nullable: false),
                    TokenId = table.Column<string>(type: "TEXT", nullable: false),
                    Client = table.Column<string>(type: "TEXT", nullable: false),
                    Bucket = table.Column<int>(type: "INTEGER", nullable: false),
                    Calls = table.Column<long>(type: "INTEGER", nullable: false),
                    Errors = table.Column<long>(type: "INTEGER", nullable: false),
                    RequestBytes = table.Column<long>(type: "INTEGER", nullable: false),
                    ResponseBytes = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_Traffic", x => new { x.InstanceId, x.Minute, x.Method, x.Target, x.TokenId, x.Client, x.Bucket });
                });

            migrationBuilder.CreateIndex(
                name: "IX_AccessPayloads_Time",
                table: "AccessPayloads",
                column: "Time");

            migrationBuilder.CreateIndex(
                name: "IX_Traffic_Minute",
                table: "Traffic",
                column: "Minute");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "AccessPayloads");

            migrationBuilder.DropTable(
                name: "Leases");

            migrationBuilder.DropTable(
                name: "Traffic");

            migrationBuilder.DropColumn(
                name: "Addresses",
                table: "Tokens");

            migrationBuilder.DropColumn(
                name: "Limits",
                table: "Tokens");

            migrationBuilder.DropColumn(
                name: "Prompts",
                table: "Tokens");

            migrationBuilder.DropColumn(
                name: "Resources",
                table: "Tokens");

            migrationBuilder.DropColumn(
                name: "Tools",
                table: "Tokens");

            migrationBuilder.DropColumn(
                name: "Capture",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Observed",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Place",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Remote",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Term",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "TrafficLimits",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Virtual",
                table: "Instances");

            migrationBuilder.DropColumn(
                name: "Era",
                table: "AccessLog");

            migrationBuilder.DropColumn(
                name: "FirstByteMs",
                table: "AccessLog");

            migrationBuilder.DropColumn(
                name: "PayloadId",
                table: "AccessLog");
        }
    }
}
